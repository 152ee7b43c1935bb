#!/usr/bin/env python3
"""Checks a Signet evidence bundle offline: python3 signet_verify.py BUNDLE.zip

Needs Python 3.11 and the command `openssl` (1.1.1 or later), nothing else, and no network. Shares no code with the
daemon that made the bundle. VERIFY.md says what each check means. Exit status: 0 everything verifies, 1 something does
not (each line names the file), 2 it could not be checked.
"""
import argparse
import base64
import binascii
import concurrent.futures
import datetime
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

MANIFEST_TYPE = "application/vnd.signet.manifest+json"
APPROVAL_TYPE = "application/vnd.signet.approval+json"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FIXED = ["events.jsonl", "checkpoint", "keys.json", "VERIFY.md", "signet_verify.py", "manifest.json",
         "manifest.dsse.json"]
FILES = re.compile(rf"(?:{'|'.join(map(re.escape, FIXED))}|consistency|proofs/{UUID}\.tlog-proof|"
                   rf"approvals/{UUID}\.dsse\.json|anchors/[1-9][0-9]*\.(?:tsr|checkpoint))\Z")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z")
ZIP = "(zip)"  # named for octets that belong to no file
PIECE = 1 << 20
WHOLE_FILE_MAX = 256 << 20


class Bad(Exception):
    """Says what is wrong with what was being read."""


# What reading a member that is not there, or of another kind, raises.
MALFORMED = (KeyError, TypeError, AttributeError, ValueError, IndexError)
MALFORMED_TEXT = "misses a member, or has one of another kind than belongs there"


class Unreadable(Exception):
    """Nothing can be checked."""


class Report:
    def __init__(self):
        self.findings, self.notes, self.trust = [], [], []

    def fault(self, file, text, line=None, event=None):
        finding = {"file": file, "line": line, "event": event, "text": text}
        if finding not in self.findings:
            self.findings.append(finding)

    def print(self):
        for f in self.findings:
            where = f["file"] + (f" line {f['line']}" if f["line"] else "") + (
                f" event {f['event']}" if f["event"] else "")
            print(f"FAULT  {where}: {f['text']}")
        for text in self.trust:
            print(f"TRUST  {text}")
        for text in self.notes:
            print(f"NOTE   {text}")
        print("VERDICT " + ("everything verifies" if not self.findings else
                            f"does not verify: {len(self.findings)} finding(s)"))


# ---- Encodings -------------------------------------------------------------------------------------------------------

def from_base64(text):
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("is not base64") from None
    if base64.b64encode(octets).decode() != text:
        raise Bad("is base64 in another spelling than its own")
    return octets


def hash_of(text):
    octets = from_base64(text)
    if len(octets) != 32:
        raise Bad("holds a hash that is not 32 octets")
    return octets


def decimal(text):
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text):
        raise Bad(f"holds {text[:24]!r} where a number should be")
    return int(text)


def canonical(value):
    """RFC 8785, of strings, booleans, null, integers below 2^53, arrays and objects."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if abs(value) >= 2 ** 53:
            raise Bad("holds a number of 2^53 or more")
        return str(value)
    if isinstance(value, str):
        short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
        return '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def parse_canonical(octets):
    """The JSON object whose RFC 8785 form these octets are."""
    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise Bad("names a member twice")
        return dict(pairs)

    def refuse(text):
        raise Bad(f"holds the number {text[:24]}, which is no integer")
    try:
        value = json.loads(octets.decode("utf-8"), object_pairs_hook=members, parse_float=refuse,
                           parse_constant=refuse)
        if not isinstance(value, dict):
            raise Bad("is no JSON object")
        if canonical(value).encode("utf-8") != octets:
            raise Bad("is not in canonical form (RFC 8785)")
    except (ValueError, RecursionError):  # of the JSON, of UTF-8, of a lone surrogate
        raise Bad("is no JSON") from None
    return value


def member(value, path, kind):
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Bad(f"has no member {path} of the kind that belongs there")
    return value


# ---- Signatures: openssl does them -----------------------------------------------------------------------------------

ED25519 = bytes.fromhex("302a300506032b6570032100")
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def openssl(*arguments):
    try:
        return subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise Unreadable(f"openssl does not start ({error.strerror}): install it, or put it on PATH") from None


def verify_signature(spki, message, signature):
    """Ed25519 (R || S), or ECDSA on P-256 with SHA-256 (r || s)."""
    if len(signature) != 64:
        return False
    if spki.startswith(ED25519) and len(spki) == len(ED25519) + 32:
        how = []
    elif spki.startswith(P256) and len(spki) == len(P256) + 65:
        how = ["-digest", "sha256"]
        signature = der_sequence(signature[:32], signature[32:])
    else:
        raise Bad("holds a key that is neither Ed25519 nor P-256")
    with tempfile.TemporaryDirectory() as folder:
        def put(name, octets):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(octets)
            return path
        pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki) + b"-----END PUBLIC KEY-----\n"
        done = openssl("pkeyutl", "-verify", "-pubin", "-inkey", put("key", pem), "-rawin", *how, "-in",
                       put("data", message), "-sigfile", put("signature", signature))
    return done.returncode == 0


def der_sequence(*numbers):
    def integer(octets):
        octets = octets.lstrip(b"\0") or b"\0"
        return b"\x02" + bytes([len(octets) + (octets[0] >> 7)]) + b"\0" * (octets[0] >> 7) + octets
    body = b"".join(map(integer, numbers))
    return b"\x30" + bytes([len(body)]) + body


def key_id(spki):
    return hashlib.sha256(spki).hexdigest()[:16]


class NoteKey:  # c2sp.org/signed-note: name+hex(key id)+base64(type || public key)
    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        octets = from_base64(parts[2]) if len(parts) == 3 else b""
        if len(octets) != 33 or octets[0] not in (1, 4):
            raise Bad(f"holds {vkey[:40]!r}, which is no key of a log or witness")
        self.vkey, self.name, self.type = vkey, parts[0], octets[0]
        self.spki = ED25519 + octets[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + octets).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Bad(f"holds the key of {self.name!r} with an id that is not its own")

    def verify(self, text, signature):
        if self.type == 1:
            return verify_signature(self.spki, text, signature)
        if len(signature) != 72:
            return False
        time = struct.unpack(">Q", signature[:8])[0]
        return verify_signature(self.spki, b"cosignature/v1\ntime %d\n" % time + text, signature[8:])


class Checkpoint:  # c2sp.org/tlog-checkpoint
    def __init__(self, octets):
        self.octets = octets
        try:
            note = octets.decode("utf-8")
        except ValueError:
            raise Bad("is not UTF-8") from None
        text, gap, signatures = note.rpartition("\n\n")
        if not gap or not signatures.endswith("\n"):
            raise Bad("is no signed note")
        self.text = (text + "\n").encode()
        self.signatures = []
        for line in signatures[:-1].split("\n"):
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014":
                raise Bad("has a signature line that is none")
            octets = from_base64(parts[2])
            self.signatures.append((parts[1], octets[:4], octets[4:]))
        lines = text.split("\n")
        if len(lines) != 3:
            raise Bad("has not the three lines of a checkpoint: log, size, root")
        self.origin, self.size, self.root = lines[0], decimal(lines[1]), hash_of(lines[2])

    def signed_by(self, key):
        """None: it has no signature of this key. Else whether it verifies."""
        found = [s for name, number, s in self.signatures if name == key.name and number == key.id]
        return all(key.verify(self.text, s) for s in found) if found else None


def check_checkpoint(checkpoint, log_key):
    if checkpoint.origin != log_key.name:
        raise Bad(f"is of the log {checkpoint.origin!r}, whose key is that of {log_key.name!r}")
    verified = checkpoint.signed_by(log_key)
    if verified is None:
        raise Bad("is not signed by the log's key")
    if not verified:
        raise Bad("has a signature of the log that does not verify")


# ---- The tree: RFC 9162 section 2.1 ----------------------------------------------------------------------------------

def leaf_hash(canon):
    return hashlib.sha256(b"\0" + canon).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Grows leaf by leaf; knows its root at the sizes asked for beforehand."""

    def __init__(self, wanted):
        self.size, self.peaks, self.wanted, self.roots = 0, [], set(wanted), {}

    def append(self, leaf):
        self.size += 1
        height = self.size
        while height % 2 == 0:
            leaf = node_hash(self.peaks.pop(), leaf)
            height //= 2
        self.peaks.append(leaf)
        if self.size in self.wanted:
            self.roots[self.size] = self.root()

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def is_included(index, size, leaf, proof, root):
    if index >= size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at % 2 or at == last:
            found = node_hash(sibling, found)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            found = node_hash(found, sibling)
        at, last = at // 2, last // 2
    return last == 0 and found == root


def is_consistent(old_size, old_root, new_size, new_root, proof):
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = ([old_root] if old_size & (old_size - 1) == 0 else []) + proof
    if not path:
        return False
    at, last = old_size - 1, new_size - 1
    while at % 2:
        at, last = at // 2, last // 2
    old = new = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            new = node_hash(new, hash_)
        at, last = at // 2, last // 2
    return last == 0 and old == old_root and new == new_root


# ---- Where the files are ---------------------------------------------------------------------------------------------

class Folder:
    def __init__(self, path, report):
        self.path, self.order = path, None
        self.names = []
        for folder, folders, files in os.walk(path):
            inside = os.path.relpath(folder, path).replace(os.sep, "/")
            for name in folders + files:
                full = name if inside == "." else inside + "/" + name
                entry = os.path.join(folder, name)
                if os.path.islink(entry) or not (os.path.isdir(entry) or os.path.isfile(entry)):
                    report.fault(full, "is neither a file nor a folder")
                elif os.path.isfile(entry):
                    self.names.append(full)
                elif not os.listdir(entry):
                    report.fault(full + "/", "is an empty folder, which no bundle has")

    def size(self, name):
        return os.path.getsize(os.path.join(self.path, name))

    def pieces(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            while piece := file.read(PIECE):
                yield piece


class Archive:
    """The zip of a bundle has one form, given its files in their order: stored, without times, sizes ahead of the data
    and a data descriptor after it. Every octet of it is held against that form."""
    EXTRA = bytes.fromhex("5554010000" "75780b000104000000000400000000")
    MAX32 = 0xFFFFFFFF

    def __init__(self, path, report):
        self.report, self.file = report, open(path, "rb")
        self.octets = os.fstat(self.file.fileno()).st_size
        if self.at(0, 4) != b"PK\3\4" and self.at(max(self.octets - 22, 0), 4) != b"PK\5\6":
            raise Unreadable("it is neither a zip nor a folder")
        self.entries = {}
        self.order = []
        try:
            self.read_directory()
        except Bad as bad:
            report.fault(ZIP, str(bad))
        self.names = list(self.entries)

    def at(self, offset, count):
        if offset < 0 or offset > self.octets:
            raise Bad(f"the zip is cut: there is no octet {offset}")
        self.file.seek(offset)
        return self.file.read(count)

    def read_directory(self):
        end = self.octets - 22
        record = self.at(end, 22) if end >= 0 else b""
        if not record.startswith(b"PK\5\6"):
            raise Bad("its end record is missing: the zip is cut, or something was added behind it")
        count, size, offset = struct.unpack("<10xHII2x", record)
        if 0xFFFF == count or self.MAX32 in (size, offset):
            wide = self.at(end - 76, 56)
            if not wide.startswith(b"PK\6\6") or len(wide) != 56:
                raise Bad("its zip64 end record is missing")
            count, size, offset = struct.unpack("<32xQQQ", wide)
        if offset + size > end or count > size // 46:
            raise Bad("its end record does not say where its directory is")
        self.directory = offset
        listed, at = [], offset
        for number in range(count):
            fixed = self.at(at, 46)
            if len(fixed) != 46 or not fixed.startswith(b"PK\1\2"):
                raise Bad(f"its directory is broken at entry {number + 1}")
            crc, packed, plain, name_size, extra_size, start = struct.unpack("<16xIIIHH10xI", fixed)
            name = self.at(at + 46, name_size)
            extra = self.at(at + 46 + name_size, extra_size)[len(self.EXTRA) + 4:]
            wide = list(struct.unpack(f"<{len(extra) // 8}Q", extra[:len(extra) // 8 * 8]))
            if self.MAX32 in (packed, plain):
                if len(wide) < 2:
                    raise Bad(f"its directory is broken at entry {number + 1}")
                plain, packed = wide.pop(0), wide.pop(0)
            if start == self.MAX32:
                if not wide:
                    raise Bad(f"its directory is broken at entry {number + 1}")
                start = wide.pop(0)
            try:
                text = name.decode("ascii")
            except ValueError:
                raise Bad(f"its directory names a file of no bundle at entry {number + 1}") from None
            if text in self.entries:
                self.report.fault(text, "is in the zip twice")
            elif not FILES.match(text):
                self.report.fault(text, "is no file of a bundle")
            listed.append((text, plain, crc, start))
            self.entries[text] = (start + len(self.local(text, plain)), plain)
            self.order.append(text)
            at += 46 + name_size + extra_size
        self.compare(listed, count)

    def local(self, name, size):
        wide = size > self.MAX32
        extra = self.EXTRA + (struct.pack("<HHQQ", 1, 16, size, size) if wide else b"")
        low = self.MAX32 if wide else size
        return struct.pack("<4sHHHIIIIHH", b"PK\3\4", 45 if wide else 10, 8, 0, 0x210000, 0, low, low, len(name),
                           len(extra)) + name.encode() + extra

    def compare(self, listed, count):
        directory, expected = b"", 0
        for name, size, crc, start in listed:
            head = self.local(name, size)
            wide = size > self.MAX32
            tail = struct.pack("<4sIQQ" if wide else "<4sIII", b"PK\7\x08", crc, size, size)
            end = start + len(head) + size + len(tail)
            if start != expected or end > self.directory:
                self.report.fault(name, "in the zip does not begin where the file before it ends, or overlaps")
            elif self.at(start, len(head)) != head:
                self.report.fault(name, "has another header in the zip than its directory says")
            elif self.at(end - len(tail), len(tail)) != tail:
                self.report.fault(name, "has another length or checksum in the zip than its directory says")
            elif self.crc(name) != crc:
                self.report.fault(name, "has not the checksum that the zip says: its octets were changed")
            expected = end
            far = start > self.MAX32
            extra = struct.pack(f"<{2 * wide + far}Q", *([size, size] if wide else []), *([start] if far else []))
            extra = self.EXTRA + (struct.pack("<HH", 1, len(extra)) + extra if extra else b"")
            low = self.MAX32 if wide else size
            entry = struct.pack("<4sHHHHIIIIHHHHHII", b"PK\1\2", 0x300 + (45 if wide else 10),
                                45 if wide or far else 10, 8, 0, 0x210000, crc, low, low, len(name), len(extra), 0, 0,
                                0, 0o100644 << 16, self.MAX32 if far else start) + name.encode() + extra
            if self.at(self.directory + len(directory), len(entry)) != entry:
                self.report.fault(ZIP, f"its directory is not as it should be at the entry of {name}")
                return
            directory += entry
        if expected != self.directory:
            self.report.fault(ZIP, "there are octets before its directory that belong to no file")
        size, offset = len(directory), self.directory
        tail = b""
        if count > 0xFFFF or offset > self.MAX32 or size > self.MAX32:
            tail = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
            tail += struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
        tail += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF),
                            min(size, self.MAX32), min(offset, self.MAX32), 0)
        if self.octets != offset + size + len(tail) or self.at(offset + size, len(tail)) != tail:
            self.report.fault(ZIP, "its end record is not as it should be")

    def crc(self, name):
        crc = 0
        for piece in self.pieces(name):
            crc = zlib.crc32(piece, crc)
        return crc

    def size(self, name):
        return self.entries[name][1]

    def pieces(self, name):
        offset, left = self.entries[name]
        while left > 0:
            piece = self.at(offset, min(left, PIECE))
            if not piece:
                raise Bad("is cut")
            yield piece
            offset, left = offset + len(piece), left - len(piece)


def read(source, name):
    if source.size(name) > WHOLE_FILE_MAX:
        raise Bad("is larger than any such file of a bundle")
    return b"".join(source.pieces(name))


def lines(source, name):
    rest = b""
    for piece in source.pieces(name):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        raise Bad("does not end with a line's end")


# ---- The bundle ------------------------------------------------------------------------------------------------------

class Bundle:
    def __init__(self, source, report, arguments):
        self.source, self.report, self.arguments = source, report, arguments
        self.log_key = None
        self.approvers, self.witnesses = {}, []
        self.checkpoint = None
        self.consistency = {}  # old size -> (root, whether it verifies)
        self.anchors = {}      # size -> checkpoint
        self.older = None
        self.tree = None
        self.approvals = []    # events that approve, with line and event id
        self.statements = {}   # event id -> statement whose signature verified
        self.checks = []       # (file, event id, spki, message, signature, statement)

    def attempt(self, name, check):
        """Whether `check` passed; a fault of this file if not."""
        if name not in self.source.names:
            return False
        try:
            check(name)
            return True
        except Bad as bad:
            self.report.fault(name, str(bad))
        except MALFORMED:
            self.report.fault(name, MALFORMED_TEXT)
        return False

    def run(self):
        for name in FIXED:
            if name not in self.source.names:
                self.report.fault(name, "is missing")
        self.attempt("keys.json", self.check_keys)
        if self.arguments.log_key:
            given = NoteKey(self.arguments.log_key)
            if self.log_key and self.log_key.vkey != given.vkey:
                self.report.fault("keys.json", "names another log key than the one given with --log-key")
            self.log_key = given
        self.manifest = None
        if not self.log_key:
            # Its hashes still tell which files are not those of the manifest.
            if self.attempt("manifest.json", lambda name: self.take_manifest(read(self.source, name))):
                self.check_files()
                self.attempt("manifest.dsse.json", self.check_payload)
            raise Unreadable("there is no log key to check with: give it with --log-key")
        if not self.arguments.log_key:
            self.report.trust.append(f"the log's key is the bundle's own word, {self.log_key.vkey}: compare it with "
                                     "the one you hold, or give that with --log-key")
        self.attempt("manifest.json", self.check_manifest)
        if self.manifest:
            self.check_files()
        if not self.attempt("checkpoint", self.check_checkpoint):
            return
        self.check_witnesses()
        self.read_older()
        self.attempt("consistency", self.check_consistency)
        for name in sorted(n for n in self.source.names if n.startswith("anchors/") and n.endswith(".checkpoint")):
            self.attempt(name, self.check_anchor_checkpoint)
        if self.manifest:
            self.attempt("events.jsonl", self.check_events)
            self.check_approvals()
        self.check_anchors()
        self.check_older()

    # keys.json: who may have signed
    def check_keys(self, name):
        keys = parse_canonical(read(self.source, name))
        self.log_key = NoteKey(member(keys, "log", str))
        if self.log_key.type != 1:
            raise Bad("names a witness's key as the log's")
        self.witnesses = [NoteKey(vkey) for vkey in member(keys, "witnesses", list)]
        for row in member(keys, "approvers", list):
            spki = from_base64(member(row, "publicKey", str))
            if member(row, "keyId", str) != key_id(spki):
                raise Bad(f"names the key {row['keyId']} by an id that is not its own")
            for at in ("validFrom", "validTo", "revokedAt"):
                if row.get(at) is not None and not TIME.match(member(row, at, str)):
                    raise Bad(f"has a {at} of the key {row['keyId']} that is no time")
            for word in ("algorithm", "custody", "userId", "validFrom"):
                member(row, word, str)
            self.approvers[row["keyId"]] = dict(row, spki=spki)

    # manifest.json and its signature
    def check_manifest(self, name):
        octets = read(self.source, name)
        signed = self.check_manifest_signature(octets)
        self.take_manifest(signed or octets)
        if signed:
            raise Bad("was changed: manifest.dsse.json holds what the log signed")
        if self.manifest["log"] != self.log_key.name:
            raise Bad("is of another log than its key")

    def check_payload(self, name):
        if from_base64(member(parse_canonical(read(self.source, name)), "payload", str)) != read(
                self.source, "manifest.json"):
            raise Bad("does not hold manifest.json")

    def take_manifest(self, octets):
        manifest = parse_canonical(octets)
        member(manifest, "log", str), member(manifest, "exportedAt", str), member(manifest, "filter", dict)
        for path in ("checkpoint.size", "range.from", "range.to", "range.events"):
            member(manifest, path, int)
        member(manifest, "checkpoint.root", str)
        member(manifest, "claims.wholeLog", bool), member(manifest, "claims.wholeMessages", bool)
        for row in member(manifest, "withheld", list):
            member(row, "eventId", str), member(row, "reason", str)
        for row in member(manifest, "files", list):
            member(row, "name", str), member(row, "sha256", str), member(row, "size", int)
        if manifest.get("v") != 1:
            raise Bad("is of a version that this script does not know")
        self.manifest = manifest

    def check_manifest_signature(self, manifest):
        """What the log signed instead, if manifest.json was changed and the envelope was not."""
        name = "manifest.dsse.json"
        if name not in self.source.names:
            return
        try:
            octets = read(self.source, name)
            envelope = parse_canonical(octets)
            rows = member(envelope, "signatures", list)
            if set(envelope) != {"payload", "payloadType", "signatures"} or len(rows) != 1 or set(rows[0]) != {
                    "keyid", "sig"}:
                raise Bad("has not the members of a manifest's envelope")
            if member(envelope, "payloadType", str) != MANIFEST_TYPE:
                raise Bad("is an envelope of another type")
            if member(rows[0], "keyid", str) != key_id(self.log_key.spki):
                raise Bad("names another key than the log's")
            payload, signature = from_base64(member(envelope, "payload", str)), from_base64(
                member(rows[0], "sig", str))
        except Bad as bad:
            self.report.fault(name, str(bad))
            return
        except MALFORMED:
            self.report.fault(name, MALFORMED_TEXT)
            return
        if verify_signature(self.log_key.spki, pae(MANIFEST_TYPE, manifest), signature):
            if payload != manifest:
                self.report.fault(name, "its payload is not manifest.json, which its signature covers")
        elif payload != manifest and verify_signature(self.log_key.spki, pae(MANIFEST_TYPE, payload), signature):
            return payload
        else:
            self.report.fault(name, "its signature does not verify")
            if payload != manifest:
                raise Bad("is not what manifest.dsse.json holds")

    def check_files(self):
        listed = [row["name"] for row in self.manifest["files"]]
        for name in sorted(set(listed)):
            if listed.count(name) > 1:
                self.report.fault("manifest.json", f"lists {name} twice")
        behind = ["manifest.json", "manifest.dsse.json"]
        for name in self.source.names:
            if name not in set(listed) and name not in behind:
                self.report.fault(name, "is not in the manifest: it was added or renamed")
        for row in self.manifest["files"]:
            name = row["name"]
            if name not in self.source.names:
                self.report.fault(name, "is missing: the manifest lists it")
                continue
            digest, size = hashlib.sha256(), 0
            try:
                for piece in self.source.pieces(name):
                    digest.update(piece)
                    size += len(piece)
            except Bad as bad:
                self.report.fault(name, str(bad))
                continue
            if size != row["size"]:
                self.report.fault(name, f"has {size} octets, and {row['size']} in the manifest")
            if digest.hexdigest() != row["sha256"]:
                self.report.fault(name, "was changed: its SHA-256 is not that of the manifest")
        if self.source.order is not None and not self.report.findings and self.source.order != listed + behind:
            self.report.fault(ZIP, "its files stand in another order than the manifest's")

    def check_checkpoint(self, name):
        self.checkpoint = Checkpoint(read(self.source, name))
        check_checkpoint(self.checkpoint, self.log_key)
        said = (self.manifest or {}).get("checkpoint")
        if said and (said["size"] != self.checkpoint.size or said["root"] != self.checkpoint.root.hex()):
            raise Bad("is not the checkpoint that the manifest names")

    def check_witnesses(self):
        given = [NoteKey(vkey) for vkey in self.arguments.witness_key]
        known = {key.vkey: key for key in self.witnesses + given}
        for key in known.values():
            verified = self.checkpoint.signed_by(key)
            if verified is False:
                self.report.fault("checkpoint", f"has a cosignature of {key.name} that does not verify")
            elif verified is None and key.vkey in [k.vkey for k in given]:
                self.report.fault("checkpoint", f"is not cosigned by {key.name}, whose key was given")
            elif verified:
                word = "the witness" if key.vkey in [k.vkey for k in given] else "a witness that the bundle names"
                self.report.notes.append(f"{word}, {key.name}, cosigned the checkpoint")
        ids = {(key.name, key.id) for key in [*known.values(), self.log_key]}
        for signer, number, _ in self.checkpoint.signatures:
            if (signer, number) not in ids:
                self.report.notes.append(f"the checkpoint's signature by {signer} was not checked: its key is not "
                                         "known")

    def read_older(self):
        path = self.arguments.older
        if not path:
            return
        if os.path.isdir(path) or path.endswith(".zip"):
            source = open_source(path, Report())
            octets = read(source, "checkpoint") if "checkpoint" in source.names else b""
        else:
            with open(path, "rb") as file:
                octets = file.read()
        try:
            self.older = Checkpoint(octets)
            check_checkpoint(self.older, self.log_key)
        except Bad as bad:
            raise Unreadable(f"the older checkpoint {bad}") from None

    # consistency: blocks of "old SIZE ROOT" and the proof's hashes, parted by empty lines
    def check_consistency(self, name):
        blocks = read(self.source, name).decode("ascii", "replace").split("\n\n")
        if not blocks[-1].endswith("\n"):
            raise Bad("does not end with a line's end")
        blocks[-1] = blocks[-1][:-1]
        for block in blocks:
            head, *proof = block.split("\n")
            words = head.split(" ")
            if len(words) != 3 or words[0] != "old":
                raise Bad("has a block that does not begin with `old SIZE ROOT`")
            size, root = decimal(words[1]), hash_of(words[2])
            holds = is_consistent(size, root, self.checkpoint.size, self.checkpoint.root, [hash_of(p) for p in proof])
            self.consistency[size] = (root, holds)
            if not holds:
                self.report.fault(name, f"the log at {self.checkpoint.size} does not extend the one at {size} with the "
                                        f"root {words[2]}: what stood before was rewritten")

    def check_anchor_checkpoint(self, name):
        size = int(re.search(r"[0-9]+", name).group())
        checkpoint = Checkpoint(read(self.source, name))
        check_checkpoint(checkpoint, self.log_key)
        if checkpoint.size != size:
            raise Bad("is of another size than its name says")
        self.anchors[size] = checkpoint

    # events.jsonl: canonical, each in the tree, chained
    def check_events(self, name):
        claims, size = self.manifest["claims"], self.checkpoint.size
        wanted = set(self.anchors) | ({self.older.size} if self.older else set())
        self.tree = Tree(wanted) if claims["wholeLog"] else None
        seen, chains, last_index, purged = set(), {}, -1, []
        number = 0
        for canon in lines(self.source, name):
            number += 1
            leaf = leaf_hash(canon)
            if self.tree:
                self.tree.append(leaf)
            event_id = None
            try:
                event = parse_canonical(canon)
                event_id = member(event, "id", str)
                if not re.fullmatch(UUID, event_id):
                    event_id = None
                    raise Bad("has an id that is none")
                if event_id in seen:
                    raise Bad("is there twice")
                seen.add(event_id)
                if event.get("v") != 1 or not TIME.match(member(event, "at", str)):
                    raise Bad("is of another version, or has a time that is none")
                action, about = member(event, "action", str), member(event, "object", dict)
                member(event, "actor", dict)
                if not self.tree:
                    index = self.check_inclusion(event_id, leaf)
                    if index <= last_index:
                        raise Bad("does not stand in the log's order")
                    last_index = index
                if about.get("n") is not None:
                    key = (about.get("type"), about.get("id"))
                    chains.setdefault(key, []).append((member(about, "n", int), number, event_id, leaf.hex(),
                                                       about.get("prev")))
                if action == "purged":
                    purged.append((about.get("id"), event["at"]))
                if action in ("signed", "reviewed") and member(event, "detail", dict).get("decision") != "rejected":
                    self.approvals.append((number, event))
            except Bad as bad:
                self.report.fault(name, str(bad), number, event_id)
            except MALFORMED:
                self.report.fault(name, MALFORMED_TEXT, number, event_id)
        if number != self.manifest["range"]["events"]:
            self.report.fault(name, f"has {number} events, and {self.manifest['range']['events']} in the manifest")
        if self.tree and (number != size or self.tree.root() != self.checkpoint.root):
            self.report.fault(name, f"its {number} events do not make the checkpoint's root of {size}: one was "
                                    "changed, added, left out or moved")
        for proof in self.source.names:
            if proof.startswith("proofs/") and (self.tree or proof[7:43] not in seen):
                self.report.fault(proof, "is a proof of no event here")
        self.check_chains(chains)
        for message, at in purged:
            self.report.notes.append(f"the content of message {message} was erased under the retention policy at {at}; "
                                     "its history stands")

    def check_inclusion(self, event_id, leaf):
        name = f"proofs/{event_id}.tlog-proof"  # c2sp.org/tlog-proof
        if name not in self.source.names:
            self.report.fault(name, "is missing", event=event_id)
            raise Bad("has no proof that it is in the log")
        try:
            octets = read(self.source, name)
            head, gap, note = octets.partition(b"\n\n")
            first, index, *proof = head.decode("ascii", "replace").split("\n")
            if not gap or first != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
                raise Bad("is no tlog-proof")
            if note != self.checkpoint.octets:
                raise Bad("holds another checkpoint than the bundle's")
            at = decimal(index[6:])
            if not is_included(at, self.checkpoint.size, leaf, [hash_of(p) for p in proof], self.checkpoint.root):
                raise Bad("does not prove that its event is in the log")
        except (Bad, ValueError) as bad:
            self.report.fault(name, str(bad) if isinstance(bad, Bad) else "is no tlog-proof", event=event_id)
            raise Bad("is not proven to be in the log") from None
        return at

    def check_chains(self, chains):
        name = "events.jsonl"
        is_whole = self.manifest["claims"]["wholeLog"] or self.manifest["claims"]["wholeMessages"]
        for (_, about), rows in chains.items():
            rows.sort()
            before = None
            for n, number, event_id, leaf, prev in rows:
                def fault(text):
                    self.report.fault(name, f"message {about}: {text}", number, event_id)
                if before and n == before[0]:
                    fault(f"two events say that they are its number {n}")
                elif (n == 1) != (prev is None):
                    fault(f"its event {n} names " + ("one before it" if prev else "none before it"))
                elif before and n == before[0] + 1 and prev != before[1]:
                    fault(f"its event {n} does not hold the leaf of the one before")
                elif is_whole and n != (before[0] + 1 if before else 1):
                    fault(f"its event {before[0] + 1 if before else 1} is missing, which this bundle claims to have")
                before = (n, leaf)
        head = self.manifest.get("message")
        if head:
            rows = [rows for (_, about), rows in chains.items() if about == head.get("id")]
            if len(chains) != 1 or not rows or rows[0][-1][0] != head.get("n") or rows[0][-1][3] != head.get("leaf"):
                self.report.fault(name, f"it is not the history of message {head.get('id')} up to its event "
                                        f"{head.get('n')}, as the manifest says")

    # approvals/*.dsse.json: who approved what
    def check_approvals(self):
        withheld = {row["eventId"]: row["reason"] for row in self.manifest["withheld"]}
        wanted = set()
        for number, event in self.approvals:
            event_id = event["id"]
            name = f"approvals/{event_id}.dsse.json"
            wanted.add(name)
            if name in self.source.names:
                try:
                    self.read_approval(name, event)
                except Bad as bad:
                    self.report.fault(name, str(bad), event=event_id)
                except MALFORMED:
                    self.report.fault(name, "or its event " + MALFORMED_TEXT, event=event_id)
            elif withheld.get(event_id) == "erased":
                self.report.notes.append(f"the signature of event {event_id} was erased with its message's content "
                                         "under the retention policy")
            else:
                self.report.fault(name, "is missing: no signature stands behind this approval", event=event_id)
        for name in self.source.names:
            if name.startswith("approvals/") and name not in wanted:
                self.report.fault(name, "is the signature of no event here")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            verified = pool.map(lambda check: verify_signature(*check[2:5]), self.checks)
            for (name, event_id, *_, statement), holds in zip(self.checks, verified):
                if holds:
                    self.statements[event_id] = statement
                else:
                    self.report.fault(name, "its signature does not verify", event=event_id)
        self.check_quorums(withheld)
        if self.statements:
            users = sorted({row["userId"] for row in self.approvers.values()})
            self.report.trust.append(f"whose the {len(self.approvers)} approvers' keys are ({len(users)} people) is "
                                     "the operator's word in keys.json; their enrolment stands in the whole log")

    def read_approval(self, name, event):
        envelope = parse_canonical(read(self.source, name))
        if member(envelope, "payloadType", str) != APPROVAL_TYPE:
            raise Bad("is an envelope of another type")
        payload = from_base64(member(envelope, "payload", str))
        statement = parse_canonical(payload)
        detail = member(event, "detail", dict)
        signer = detail.get("signerId", event["actor"].get("id"))
        expected = {"messageId": event["object"].get("id"), "version": detail.get("version"), "decision": "approved",
                    "envelopeCommit": event.get("envelopeCommit"), "meaning": detail.get("meaning"),
                    "policyId": detail.get("policyId"), "signer": signer, "v": 1}
        for word in ("diffCommit", "validationSha256"):
            if word in detail:
                expected[word] = detail[word]
        if "signerId" not in detail:
            expected["role"] = event["actor"].get("role")
        for word, value in expected.items():
            if statement.get(word) != value:
                raise Bad(f"its {word} is not that of the event")
        at = member(statement, "at", str)
        key = self.approvers.get(detail.get("keyId"))
        if not key:
            raise Bad(f"is signed with the key {detail.get('keyId')}, which keys.json does not have")
        if key["userId"] != signer or key["custody"] != detail.get("custody"):
            raise Bad("is signed with a key of another person or custody than the event says")
        # What a back end hands over was signed by its clock, which may be ahead by so much.
        if not TIME.match(at) or instant(at) - instant(event["at"]) > datetime.timedelta(minutes=5):
            raise Bad("was signed after the event that it stands behind")
        ends = [instant(key[end]) for end in ("validTo", "revokedAt") if key.get(end)]
        if instant(at) < instant(key["validFrom"]) or any(instant(at) >= end for end in ends):
            raise Bad(f"is signed with a key that was not valid at {at}")
        rows = [row for row in member(envelope, "signatures", list) if isinstance(row, dict) and
                row.get("keyid") in (key["keyId"], None, "")]
        if len(rows) != 1:
            raise Bad("has not one signature of its signer's key")
        self.checks.append((name, event["id"], key["spki"], pae(APPROVAL_TYPE, payload),
                            from_base64(member(rows[0], "sig", str)), statement))

    def check_quorums(self, withheld):
        is_whole = self.manifest["claims"]["wholeLog"] or self.manifest["claims"]["wholeMessages"]
        people = {}
        for _, event in self.approvals:
            statement = self.statements.get(event["id"])
            if statement:
                subject = (statement["messageId"], statement["version"], statement["envelopeCommit"])
                people.setdefault(subject, set()).add(statement["signer"])
        for number, event in self.approvals:
            if event["action"] != "reviewed" or event["id"] in withheld:
                continue
            detail = event["detail"]
            subject = (event["object"].get("id"), detail.get("version"), event.get("envelopeCommit"))
            needed = max(detail.get("required", 1), 1)
            found = len(people.get(subject, ()))
            if found < needed and is_whole:
                self.report.fault("events.jsonl", f"it was approved with {found} verified signature(s) of different "
                                                  f"people, and {needed} are required", number, event["id"])
            elif found < needed:
                self.report.notes.append(f"event {event['id']} rests on {needed} people's signatures, of which "
                                         f"{needed - found} are outside this bundle's filter")

    # anchors/: what a time stamping authority says
    def check_anchors(self):
        stamps = sorted(n for n in self.source.names if n.startswith("anchors/"))
        for name in stamps:
            size = int(re.search(r"[0-9]+", name).group())
            other = f"anchors/{size}." + ("checkpoint" if name.endswith(".tsr") else "tsr")
            if other not in self.source.names:
                self.report.fault(other, f"is missing: {name} stands alone")
        if stamps and not self.arguments.tsa_ca:
            self.report.trust.append("who made the time stamps was not checked: give the authority's certificates with "
                                     "--tsa-ca")
        for size, checkpoint in sorted(self.anchors.items()):
            self.check_same_log(f"anchors/{size}.checkpoint", checkpoint)
            self.attempt(f"anchors/{size}.tsr", lambda name, note=checkpoint.octets: self.check_stamp(name, note))

    def check_stamp(self, name, note):
        with tempfile.TemporaryDirectory() as folder:
            reply, data = os.path.join(folder, "reply"), os.path.join(folder, "data")
            for path, octets in ((reply, read(self.source, name)), (data, note)):
                with open(path, "wb") as file:
                    file.write(octets)
            shown = openssl("ts", "-reply", "-in", reply, "-text")
            text = shown.stdout.decode("utf-8", "replace")
            if shown.returncode != 0 or "Status: Granted." not in text:
                raise Bad("is no granted time stamp (RFC 3161)")
            dump = re.findall(r"^ {4}[0-9a-f]{4} - ((?:[0-9a-f]{2}[ -]){1,16})", text, re.M)
            imprint = "".join(re.findall("[0-9a-f]{2}", "".join(dump)))
            if "Hash Algorithm: sha256" not in text or imprint != hashlib.sha256(note).hexdigest():
                raise Bad("stamps something else than its checkpoint")
            time = re.search(r"^Time stamp: (.*)$", text, re.M)
            self.report.notes.append(f"{name}: {'' if self.arguments.tsa_ca else 'says that '}the checkpoint existed "
                                     f"at {time.group(1) if time else 'an unknown time'}")
            if self.arguments.tsa_ca:  # as of the stamp's own time: it outlives its certificates
                at = str(int(stamp_time(time.group(1) if time else "").timestamp()))
                done = openssl("ts", "-verify", "-data", data, "-in", reply, "-CAfile", self.arguments.tsa_ca,
                               "-attime", at)
                if done.returncode != 0:
                    raise Bad("does not verify with the certificates of --tsa-ca")

    def check_same_log(self, name, checkpoint):
        """That the bundle's log extends this checkpoint."""
        size, root = checkpoint.size, checkpoint.root
        if size > self.checkpoint.size:
            self.report.fault(name, f"the log of this bundle ({self.checkpoint.size} entries) is shorter than this "
                                    f"checkpoint ({size}): entries were taken away")
            return
        if size == self.checkpoint.size:
            known = self.checkpoint.root
        elif self.tree and size in self.tree.roots:
            known = self.tree.roots[size]
        elif size in self.consistency:
            known, holds = self.consistency[size]
            if known == root and not holds:
                self.report.fault(name, f"the log does not extend this checkpoint of {size} entries: what stood before "
                                        "was rewritten")
                return
        elif size == 0:
            return
        else:
            self.report.fault(name, f"nothing in the bundle shows that its log extends this checkpoint of {size} "
                                    "entries: ask for an export with it as previousCheckpoint")
            return
        if known != root:
            self.report.fault(name, f"the log of this bundle has another root at {size} entries than this checkpoint, "
                                    "which the log signed too: what stood before was rewritten")

    def check_older(self):
        if self.older:
            before = len(self.report.findings)
            self.check_same_log("checkpoint", self.older)
            for finding in self.report.findings[before:]:
                finding["text"] = f"against the older checkpoint {self.arguments.older}: " + finding["text"]
            if len(self.report.findings) == before:
                self.report.notes.append(f"the log extends the older checkpoint of {self.older.size} entries")


def pae(payload_type, payload):  # DSSE: what is signed
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def instant(text):
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Bad(f"holds the time {text}, which there is not") from None


def stamp_time(text):  # as openssl prints it: "Nov 26 13:40:00 2026 GMT", perhaps with a fraction of the second
    try:
        text = re.sub(r"(:[0-9]{2})\.[0-9]+", r"\1", text)
        return datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise Bad("has a time that cannot be read") from None


def open_source(path, report):
    return Folder(path, report) if os.path.isdir(path) else Archive(path, report)


def main():
    parser = argparse.ArgumentParser(description="Checks a Signet evidence bundle offline; see VERIFY.md.")
    parser.add_argument("bundle", help="the zip, or the folder that it was unpacked to")
    parser.add_argument("--older", metavar="FILE", help="an older bundle, or a checkpoint that you kept")
    parser.add_argument("--log-key", metavar="VKEY", help="the log's key as you know it, not as the bundle says")
    parser.add_argument("--witness-key", metavar="VKEY", action="append", default=[],
                        help="a witness that must have cosigned; may be repeated")
    parser.add_argument("--tsa-ca", metavar="FILE", help="PEM: who may have made the time stamps")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    arguments = parser.parse_args()
    report = Report()
    try:
        source = open_source(arguments.bundle, report)
        bundle = Bundle(source, report, arguments)
        if isinstance(source, Folder) or source.names:
            bundle.run()
    except (Unreadable, Bad, OSError, *MALFORMED) as error:
        if not report.findings:
            print(f"signet_verify.py: {error}", file=sys.stderr)
            return 2
    if arguments.json:
        verdict = "verified" if not report.findings else "not_verified"
        print(json.dumps({"verdict": verdict, "findings": report.findings, "trusted": report.trust,
                          "notes": report.notes}, indent=1))
    else:
        report.print()
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())

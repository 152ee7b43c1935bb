"""Changes bundles in every way and asks signet_verify.py to name what was changed: mutate.py SCRIPT FOLDER.

Runs the script's own code in this process, thousands of times, with openssl's answers remembered; a sample runs as a
program of its own. Prints how many mutants there were and which were missed; exit status 1 if any was.
"""
import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile

SMALL = 1500  # files of one message's bundle up to this size have every octet changed
SAMPLE = 40

spec = importlib.util.spec_from_file_location("signet_verify", sys.argv[1])
sv = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sv)

remembered = {}
verify_signature = sv.verify_signature


def remember(*question):
    if question not in remembered:
        remembered[question] = verify_signature(*question)
    return remembered[question]


sv.verify_signature = remember
OPTIONS = argparse.Namespace(log_key=None, older=None, witness_key=[], tsa_ca=None)


class Memory:
    """The files of a bundle, as sv.Folder gives them, with the zip's order."""

    def __init__(self, files):
        self.files, self.names, self.order = files, list(files), list(files)

    def size(self, name):
        return len(self.files[name])

    def pieces(self, name):
        yield self.files[name]


def findings(source, report):
    try:
        sv.Bundle(source, report, OPTIONS).run()
    except (sv.Unreadable, sv.Bad) as error:
        report.fault("(unreadable)", str(error))
    return report.findings


def findings_of_zip(octets, one_of):
    with open(scratch, "wb") as file:
        file.write(octets)
    report = sv.Report()
    source = sv.Archive(scratch, report)
    try:
        is_named = any(f["file"] in one_of for f in report.findings)  # then what follows only adds to it
        return report.findings if is_named or not source.names else findings(source, report)
    finally:
        source.file.close()


made, missed = 0, []


def hold(what, found, one_of):
    global made
    made += 1
    if not any(f["file"] in one_of for f in found):
        missed.append(f"{what}: told as {[(f['file'], f['text']) for f in found]}")


def positions(count, is_small):
    if count == 0:
        return []
    if is_small:
        return range(count)
    return sorted({0, count - 1, *(rng.randrange(count) for _ in range(SAMPLE))})


def flipped(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1 << rng.randrange(8)]) + octets[at + 1:]


def check_files(label, files, is_small):
    assert findings(Memory(dict(files)), sv.Report()) == [], label
    names = list(files)
    for number, name in enumerate(names):
        octets = files[name]

        def change(what, changed, expected=name):
            hold(f"{label} {name}: {what}", findings(Memory(changed), sv.Report()), (expected,))
        for at in positions(len(octets), is_small and len(octets) <= SMALL):
            change(f"octet {at}", {**files, name: flipped(octets, at)})
        change("removed", {n: o for n, o in files.items() if n != name})
        change("cut", {**files, name: octets[:-1]})
        change("longer", {**files, name: octets + b"\n"})
        change("empty", {**files, name: b""})
        change("renamed", {("renamed" if n == name else n): o for n, o in files.items()})
        other = names[(number + 1) % len(names)]
        change("swapped", {**files, name: files[other], other: octets})
        moved = [n for n in names if n != name]
        moved.insert((number + 1) % len(names), name)
        change("moved", {n: files[n] for n in moved}, sv.ZIP)
    hold(f"{label} added", findings(Memory({**files, "added": b"x"}), sv.Report()), ("added",))
    lines = files["events.jsonl"].split(b"\n")[:-1]
    for at in range(len(lines)):
        for what, changed in (("deleted", lines[:at] + lines[at + 1:]), ("repeated", lines[:at + 1] + lines[at:]),
                              ("moved", lines[:at] + lines[at + 1:at + 2] + [lines[at]] + lines[at + 2:])):
            if changed != lines:
                text = b"".join(line + b"\n" for line in changed)
                hold(f"{label} line {at + 1} {what}",
                     findings(Memory({**files, "events.jsonl": text}), sv.Report()), ("events.jsonl",))


def check_zip(label, octets):
    report = sv.Report()
    with open(scratch, "wb") as file:
        file.write(octets)
    source = sv.Archive(scratch, report)
    files = {name: b"".join(source.pieces(name)) for name in source.names}
    assert not report.findings, report.findings
    regions, at = [], 0
    for name, body in files.items():
        head = 30 + len(name) + 20
        regions += [(at, head, (name,), True), (at + head, len(body), (name,), False),
                    (at + head + len(body), 16, (name,), True)]
        at += head + len(body) + 16
    for name in files:
        regions.append((at, 46 + len(name) + 20, (name, sv.ZIP), True))
        at += 46 + len(name) + 20
    regions.append((at, 22, (sv.ZIP,), True))
    assert at + 22 == len(octets)
    for start, count, one_of, is_whole in regions:
        for at in positions(count, is_whole):
            findings = findings_of_zip(flipped(octets, start + at), one_of)
            hold(f"{label} zip octet {start + at} of {one_of}", findings, one_of)
    for cut in (1, 21, 22, 23, len(octets) // 2, len(octets) - 30):
        hold(f"{label} cut by {cut}", findings_of_zip(octets[:-cut], (sv.ZIP,)), (sv.ZIP,))
    hold(f"{label} longer", findings_of_zip(octets + b"x", (sv.ZIP,)), (sv.ZIP,))
    return files


def check_program(label, octets):
    """The same as a program: its exit status, and a line that names the file."""
    with open(scratch, "wb") as file:
        file.write(octets)
    command = [sys.executable, "-I", "-S", "-B", sys.argv[1], scratch]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0, label
    for at in sorted(rng.randrange(len(octets)) for _ in range(12)):
        with open(scratch, "wb") as file:
            file.write(flipped(octets, at))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        named = [line for line in done.stdout.splitlines() if line.startswith("FAULT  ")]
        global made
        made += 1
        if done.returncode != 1 or not named:
            missed.append(f"{label} as a program, octet {at}: {done.returncode} {done.stdout} {done.stderr}")


rng = random.Random(20261126)
with tempfile.TemporaryDirectory() as folder:
    scratch = os.path.join(folder, "mutant.zip")
    for name in sorted(os.listdir(sys.argv[2])):
        if not name.endswith(".zip"):
            continue
        with open(os.path.join(sys.argv[2], name), "rb") as file:
            bundle = file.read()
        before = made
        contents = check_zip(name, bundle)
        check_files(name, contents, name == "message.zip")
        check_program(name, bundle)
        print(f"{name}: {len(contents)} files, {made - before} mutants", flush=True)
print(f"{made} mutants, {len(missed)} missed")
for text in missed[:20]:
    print(text)
sys.exit(1 if missed or made == 0 else 0)

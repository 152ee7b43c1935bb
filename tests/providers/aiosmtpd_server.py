# A real SMTP server for one test: prints its port, then each mail it took as a line of JSON, and ends after as many as
# it was told, or after 20 s.
import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP


class Keep:
    def __init__(self, wanted):
        self.left = wanted
        self.done = asyncio.Event()

    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "data": envelope.content.decode("ascii")}
        print(json.dumps(mail), flush=True)
        self.left -= 1
        if not self.left:
            self.done.set()
        return "250 2.0.0 Ok: queued as TEST"


async def main():
    keep = Keep(int(sys.argv[1]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(keep, hostname="relay.example", loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    try:
        await asyncio.wait_for(keep.done.wait(), 20)
    except asyncio.TimeoutError:
        pass
    await asyncio.sleep(0.1)  # the last reply leaves


asyncio.run(main())

"""`python -m tests.fake_server --port 0 --scenario NAME`: an inference server with no model and any fault."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
import time
from dataclasses import asdict, replace

from tests.fake_server.faults import FAULTS, Fault
from tests.fake_server.options import Options, from_argv
from tests.fake_server.reply import Ask, Reply, Stamps, read_ask, tokens_of

COMPLETIONS = ("/v1/completions", "/v1/chat/completions")


class FakeServer:
    def __init__(self, options: Options, fault: Fault) -> None:
        self.options = options
        self.fault = fault
        self.stamps: list[Stamps] = []
        self.tokens = [0, 0]
        self.cache: set[tuple[int, ...]] = set()
        self.listener: asyncio.Server | None = None

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, (lambda: None) if self.fault.ignores_sigterm else stop.set)
        tls = None
        if self.options.certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self.options.certificate)
        self.listener = await asyncio.start_server(
            self.connection, self.options.host, self.options.port, backlog=4096, ssl=tls
        )
        port = self.listener.sockets[0].getsockname()[1]
        print(json.dumps({"host": self.options.host, "port": port}), flush=True)
        await stop.wait()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nth = 0
        try:
            while await self.request(reader, writer, nth):
                nth += 1
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError):
            pass  # the client went away or was idle for too long, or the server is stopping
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> bool:
        """Answers the nth request of a connection (from 0); whether the connection is kept."""
        idle_s = self.fault.idle_close_s if nth else None
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle_s)).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        received_ns = time.monotonic_ns()
        method, path, _ = head[0].split(" ")
        stamps = Stamps(len(self.stamps), headers.get("x-request-id", ""), received_ns)
        if method == "POST" and path in COMPLETIONS:
            self.stamps.append(stamps)
            ask = self.remember(stamps, read_ask(path, body))
            reply = Reply(writer, self.options, self.fault.asked(ask), stamps, nth)
            await self.complete(reply)
        else:
            reply = Reply(writer, self.options, read_ask("", b'{"prompt": [], "max_tokens": 0}'), stamps)
            if path == "/tokenize":
                self.tokenize(reply, body)
            else:
                self.inspect(reply, path)
        await writer.drain()
        return reply.keep and "close" not in headers.get("connection", "")

    def remember(self, stamps: Stamps, ask: Ask) -> Ask:
        """Keeps what was asked, and says how much of it was asked before."""
        if self.options.keep_prompts:
            stamps.prompt, stamps.roles = list(ask.ids), list(ask.roles)
        ask = replace(ask, prompt_tokens=ask.prompt_tokens + len(ask.roles) * self.options.template_tokens)
        block = self.options.cache_block
        if not block:
            return ask
        begins = [ask.ids[: end * block] for end in range(1, len(ask.ids) // block + 1)]
        cached = sum(1 for begin in begins if begin in self.cache) * block
        self.cache.update(begins)
        return replace(ask, cached_tokens=cached)

    async def complete(self, reply: Reply) -> None:
        if self.fault.refuses_after and len(self.stamps) >= self.options.after and self.listener is not None:
            self.listener.close()
        if self.options.refuses in reply.ask.refused:
            reply.whole(400, "application/json", json.dumps({"error": f"{self.options.refuses} not known"}).encode())
            return
        self.tokens[0] += reply.ask.prompt_tokens
        self.tokens[1] += reply.ask.max_tokens
        if reply.ask.stream:
            await self.fault.answer(reply)
        else:
            text = "".join(f" {reply.ask.word}-{token:x}" for token in range(reply.ask.max_tokens))
            said = {"message": {"role": "assistant", "content": text}} if reply.ask.chat else {"text": text}
            body = {"model": self.options.model, "choices": [{"index": 0, **said, "finish_reason": "length"}]}
            if self.fault is FAULTS["health_only"]:
                await self.fault.answer(reply)
            else:
                reply.whole(200, "application/json", json.dumps(body | {"usage": reply.ask.usage}).encode())
        reply.stamps.ended_ns = time.monotonic_ns()

    def tokenize(self, reply: Reply, body: bytes) -> None:
        name = {"vllm": "prompt", "llamacpp": "content"}.get(self.options.tokenizer)
        said = json.loads(body)
        if name is None or name not in said:
            reply.whole(404 if name is None else 400, "application/json", b'{"error": "no such thing"}')
        else:
            reply.whole(200, "application/json", json.dumps({"tokens": tokens_of(said[name])}).encode())

    def inspect(self, reply: Reply, path: str) -> None:
        """Everything that is not a completion."""
        if path == "/health":
            reply.whole(200, "text/plain", b"ok")
        elif path == "/v1/models":
            models = {"object": "list", "data": [{"id": self.options.model, "object": "model"}]}
            reply.whole(200, "application/json", json.dumps(models).encode())
        elif path == "/metrics":
            lines = (
                f"fake_requests_total {len(self.stamps)}",
                f"fake_prompt_tokens_total {self.tokens[0]}",
                f"fake_generation_tokens_total {self.tokens[1]}",
                f"fake_prefix_cache_hits_total {self.options.cached_share * self.tokens[0]}",
            )
            reply.whole(200, "text/plain; version=0.0.4", "\n".join((*lines, "")).encode())
        elif path == "/_stamps":
            reply.whole(200, "application/json", json.dumps([asdict(stamps) for stamps in self.stamps]).encode())
        else:
            reply.whole(404, "application/json", b'{"error": {"message": "no such path"}}')


def main() -> None:
    options = from_argv(sys.argv[1:], tuple(FAULTS))
    fault = FAULTS[options.scenario]
    time.sleep(options.listen_after_s)
    fault.start(options)
    options = replace(options, **dict(fault.options))  # type: ignore[arg-type]
    asyncio.run(FakeServer(options, fault).serve())


if __name__ == "__main__":
    main()

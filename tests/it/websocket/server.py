"""A WebSocket server that does what a test tells it.

Commands come on standard input, a JSON object a line; each is answered with one on standard output. The first line of
output is `{"port": …}`. It ends with its standard input.
"""

import argparse
import asyncio
import http
import json
import ssl
import sys

from websockets.asyncio.server import serve

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--protocols", nargs="*")
arguments.add_argument("--cert")
arguments.add_argument("--key")
arguments.add_argument("--client-ca")
arguments = arguments.parse_args()

# The connections that are open, in the order in which they came.
connections = []
# What clients said, in the order in which it came.
said = []
# Codes with which connections ended.
codes = []


async def handle(connection):
    connections.append(connection)
    try:
        async for message in connection:
            said.append(message)
    except Exception:
        pass
    finally:
        connections.remove(connection)
        codes.append(connection.close_code)


def process_request(connection, request):
    if request.path.startswith("/forbidden"):
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no\n")


def texts(command):
    """The messages that a command stands for."""
    if "numbers" in command:
        first, last = command["numbers"]
        for number in range(first, last + 1):
            yield json.dumps({"seq": number})
    elif "size" in command:
        yield "x" * command["size"]
    elif "hex" in command:
        yield bytes.fromhex(command["hex"])
    else:
        yield from command.get("texts", [])


async def execute(command):
    to = [one for one in connections if one.request.path == command.get("path", one.request.path)]
    sent = 0
    for connection in to:
        match command["do"]:
            case "send":
                for text in texts(command):
                    await connection.send(text)
                    sent += 1
            case "fragments":
                await connection.send(command["texts"])
                sent += 1
            case "ping":
                await asyncio.wait_for(await connection.ping(), 10)
                sent += 1
            case "raw":
                connection.transport.write(bytes.fromhex(command["hex"]))
            case "close":
                await connection.close(command["code"], command["reason"])
    if command["do"] == "look":
        open_now = [
            {
                "path": one.request.path,
                "headers": {name.lower(): value for name, value in one.request.headers.raw_items()},
                "protocol": one.subprotocol,
            }
            for one in connections
        ]
        return {"connections": open_now, "said": said, "codes": codes}
    return {"sent": sent}


async def main():
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
        if arguments.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(arguments.client_ca)
    server = await serve(
        handle,
        "127.0.0.1",
        arguments.port,
        ssl=context,
        process_request=process_request,
        subprotocols=arguments.protocols,
        ping_interval=None,
        max_size=None,
        write_limit=1 << 20,
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    reader = asyncio.StreamReader(limit=1 << 30)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        print(json.dumps(await execute(json.loads(line))), flush=True)


asyncio.run(main())

"""Runs streamgauge beside other programs that count the same, and prints what each took.

The programs of a job take turns, so that whatever else the machine does falls on all of them. Every answer is compared with
what benches/inputs.rs recounted. Processor time and memory are what the system says of each process when it ends.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOBS = ROOT / "benches" / "compare"
STREAMGAUGE = str(ROOT / "target" / "release" / "streamgauge")
AWKS = ["mawk", "gawk"]

# Where a program says nothing for so long, something is wrong with it.
PATIENCE = 1800


@dataclass
class Job:
    """What is counted of one input; the first tool is the one that others are compared with."""

    key: str
    title: str
    input: str
    tools: list
    # What the fastest known way to do this, as a program of its own, does in a second, in millions of records. It was
    # measured when the targets were set, on one core of a machine with two, and is not measured here.
    limit: float = 0.0
    limit_is: str = ""
    target: str = ""


COMPARED = [
    Job("J1", "lines with ERROR", "app.log", ["words", *AWKS, "mtail", "python", "grep -c", "wc -l"],
        106, "memmem", "55 M/s, 1.5 x the CPU time of grep"),
    Job("J2", "errors by service", "app.log", ["services", *AWKS, "mtail", "python", "grep -c", "wc -l"],
        95, "literal search, then captures", "45 M/s"),
    Job("J3", "requests, bytes, histogram by route", "access.log",
        ["requests", "requests-pattern", *AWKS, "mtail", "python", "wc -l"],
        7.6, "a splitter by hand", "4.5 M/s by regex, 5.5 M/s by pattern"),
    Job("J4", "orders of JSON: counts, sums, percentiles", "orders.ndjson",
        ["orders", *AWKS, "mtail", "python", "wc -l"], 3.0, "sonic-rs, lazy", "2.5 M/s"),
    Job("J4h", "orders by customer, of whom there are many", "customers.ndjson",
        ["customers", *AWKS, "mtail", "python", "wc -l"], 0, "", "2 M/s, 250 B of resident memory per series"),
    Job("J5", "messages by one rule and by a hundred", "app.log", ["one-rule", "hundred-rules"],
        0, "", "a hundred in 2 x the time of one"),
]
SCRAPE = Job("J6", "scrape of many series", "customers.ndjson", ["scrape", "mtail", "python"],
             target="first byte in 30 ms, all in 150 ms, 250 B of resident memory per series, 10 % less with scrapes")

# How often the input of J6 is read in each round that shows what scrapes cost, and the seconds between two of them.
PASSES = 4
SCRAPE_INTERVAL = 5
LANES = Job("J3x2", "one file and one worker, two and two", "access.log", ["requests"], target="1.8 x the rate")
KEYS = [job.key for job in COMPARED] + [SCRAPE.key, LANES.key]


@dataclass
class Runs:
    """What the runs of one tool took."""

    wall: list = field(default_factory=list)
    processor: list = field(default_factory=list)
    peak_kib: list = field(default_factory=list)


class Missing(Exception):
    """A tool is not installed."""


def find(program):
    path = shutil.which(program)
    if path is None:
        raise Missing(f"`{program}` is not installed")
    return path


def python():
    """A Python that has prometheus_client: the first one on the path need not be Debian's."""
    for candidate in [sys.executable, "/usr/bin/python3"]:
        if subprocess.run([candidate, "-c", "import prometheus_client"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise Missing("Python's `prometheus_client` is not installed")


def command(job, tool, path):
    """The command by which a tool does a job."""
    name = job.tools[0]
    if tool in AWKS:
        return [find(tool), "-f", str(JOBS / f"{name}.awk"), path]
    if tool == "mtail":
        # It serves HTTP even while it reads files once; port 0 is any that is free.
        return [find("mtail"), "--one_shot", "--one_shot_format", "prometheus", "--emit_prog_label=false", "--port", "0",
                "--progs", str(JOBS / f"{name}.mtail"), "--logs", path]
    if tool == "python":
        return [python(), str(JOBS / "peer.py"), name, path]
    if tool == "grep -c":
        return [find("grep"), "-c", "ERROR", path]
    if tool == "wc -l":
        return [find("wc"), "-l", path]
    return [STREAMGAUGE, "--log.level", "error", "replay", str(JOBS / f"{tool}.yaml"), "--input", path]


def is_ours(tool):
    """Whether a tool is streamgauge with the pipeline of that name."""
    return (JOBS / f"{tool}.yaml").exists()


def shown(tool):
    return f"streamgauge {tool}" if is_ours(tool) else tool


def environment(path):
    created = {"PROMETHEUS_DISABLE_CREATED_SERIES": "True"}
    return {**os.environ, **created, "LC_ALL": "C", "INPUT": str(path)}


def run(arguments, path, output):
    """Runs a command: what it took, in seconds, seconds of processor time and KiB."""
    measure = [sys.executable, "-I", "-S", str(JOBS / "measure.py"), output, *arguments]
    took = subprocess.run(measure, env=environment(path), stdout=subprocess.PIPE, check=True).stdout.split()
    wall, processor, peak_kib, status = map(float, took)
    if status != 0:
        sys.exit(f"{' '.join(arguments)} ended with {status:.0f}: {Path(f'{output}.log').read_text()[-2000:]}")
    return wall, processor, peak_kib


SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def label(name, value):
    """A label; the bounds of buckets are numbers, which some write as 1 and others as 1.0."""
    return f'{name}="{float(value):g}"' if name == "le" else f'{name}="{value}"'


def samples(text, names=None):
    """The samples of a text in the Prometheus format, by name and sorted labels; of some names only, if they are given."""
    found = {}
    for name, labels, value in SAMPLE.findall(text):
        if names is None or name in names:
            labels = ",".join(label(*each) for each in sorted(LABEL.findall(labels)))
            found[f"{name}{{{labels}}}"] = float(value)
    return found


def check(tool, printed, expected):
    """Ends the program where an answer is wrong. Percentiles are approximate, and only ours."""
    quantiles = {sample: value for sample, value in expected.items() if "quantile=" in sample}
    exact = {sample: value for sample, value in expected.items() if sample not in quantiles}
    got = samples(printed, {sample.split("{")[0] for sample in expected})
    wrong = [sample for sample in got if sample not in expected]
    wrong += [sample for sample, value in exact.items()
              if not math.isclose(got.get(sample, math.nan), value, rel_tol=1e-9, abs_tol=1e-3)]
    if is_ours(tool):
        wrong += [sample for sample, value in quantiles.items()
                  if not math.isclose(got.get(sample, math.nan), value, rel_tol=0.02, abs_tol=0.001)]
    if wrong:
        sample = wrong[0]
        sys.exit(f"{tool} is wrong in {len(wrong)} samples: {sample} is {got.get(sample)}, not {expected.get(sample)}")


def check_number(tool, printed, number):
    if int(printed.split()[0]) != number:
        sys.exit(f"{tool} is wrong: {printed}, not {number}")


class Comparison:
    """The inputs, and how often everything is run."""

    def __init__(self, folder, rounds, tools):
        self.folder, self.rounds, self.tools = folder, rounds, tools
        self.counted = {}
        self.output = str(folder / "output")

    def lines(self, name):
        if name not in self.counted:
            with open(self.folder / name, "rb") as file:
                self.counted[name] = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return self.counted[name]

    def expected(self, tool):
        tool = tool.removesuffix("-pattern")
        return samples((self.folder / f"{tool}.expected").read_text())

    def chosen(self, job):
        """The tools of a job: ours, and the peers that are wanted."""
        return [tool for tool in job.tools if is_ours(tool) or not self.tools or tool.split()[0] in self.tools]

    def measure(self, job):
        """What each tool took; or why it could not run, as a text."""
        path = str(self.folder / job.input)
        taken, commands = {}, {}
        for tool in self.chosen(job):
            try:
                commands[tool], taken[tool] = command(job, tool, path), Runs()
            except Missing as why:
                taken[tool] = str(why)
        expected = {tool: self.expected(tool if is_ours(tool) else job.tools[0]) for tool in commands}
        # The first round is to warm up: it brings the input into memory.
        for at in range(self.rounds + 1):
            for tool, arguments in commands.items():
                figures = run(arguments, path, self.output)
                self.check(job, tool, expected[tool])
                if at > 0:
                    for to, figure in zip([taken[tool].wall, taken[tool].processor, taken[tool].peak_kib], figures):
                        to.append(figure)
        return taken

    def check(self, job, tool, expected):
        printed = Path(self.output).read_text()
        if tool == "wc -l":
            check_number(tool, printed, self.lines(job.input))
        elif tool == "grep -c":
            check_number(tool, printed, sum(self.expected("words").values()))
        else:
            check(tool, printed, expected)

    def compare(self, job):
        lines, taken = self.lines(job.input), self.measure(job)
        size = (self.folder / job.input).stat().st_size
        print(f"\n{job.key}: {job.title} ({job.input}: {lines} records, {size / lines:.0f} B each)")
        print(f"{'':30} {'M/s':>8} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'wall x':>8} {'CPU x':>8}")
        ours = taken[job.tools[0]]
        wall, processor = statistics.median(ours.wall), statistics.median(ours.processor)
        for tool, runs in taken.items():
            if isinstance(runs, str):
                print(f"{tool:30} missing: {runs}")
                continue
            its, its_processor = statistics.median(runs.wall), statistics.median(runs.processor)
            print(f"{shown(tool):30} {lines / its / 1e6:8.3f} {its:8.3f} {its_processor:8.3f} "
                  f"{statistics.median(runs.peak_kib) / 1024:9.1f} {its / wall:8.2f} {its_processor / processor:8.2f}")
        if job.limit:
            limit = lines / job.limit / 1e6
            print(f"{'limit: ' + job.limit_is:30.30} {job.limit:8.3f} {limit:8.3f} {'':8} {'':9} {limit / wall:8.2f}")
        if job.key == "J4h":
            series = len(self.expected("customers"))
            each = statistics.median(ours.peak_kib) * 1024 / series
            print(f"{series} series: {each:.0f} B of resident memory each, all of the program's among them")
        print(f"target: {job.target}")


class Server:
    """A program that serves metrics over HTTP, until the end of a `with`."""

    def __init__(self, arguments, port, path, log, stdin=subprocess.DEVNULL):
        self.port, self.log = port, open(log, "wb")
        self.start = time.perf_counter()
        self.child = subprocess.Popen(arguments, stdin=stdin, stdout=self.log, stderr=self.log,
                                      env=environment(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.log.close()

    def get(self, path):
        """An answer."""
        parts = []
        self.time(path, lambda part: parts.append(bytes(part)))
        return b"".join(parts)

    def time(self, path, take=lambda part: None):
        """The seconds until an answer's first byte and until its end, which is read into the same memory over and over."""
        room = memoryview(bytearray(1 << 20))
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            start = time.perf_counter()
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            first = None
            while size := connection.recv_into(room):
                first = first or time.perf_counter() - start
                take(room[:size])
            return first, time.perf_counter() - start

    def wait_until(self, is_ready):
        """Asks again and again, until it answers as wanted: the seconds since its start."""
        while time.perf_counter() - self.start < PATIENCE:
            if self.child.poll() is not None:
                sys.exit(f"{self.child.args} has ended: see {self.log.name}")
            try:
                if is_ready(self):
                    return time.perf_counter() - self.start
            except ConnectionError:
                pass
            time.sleep(0.02)
        sys.exit(f"{self.child.args} does not get ready")

    def resident(self):
        """Bytes of resident memory."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def body(answer):
    """The body of an answer over HTTP, whose chunks are put together."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest.decode()
    parts, at = [], 0
    while True:
        end = rest.index(b"\r\n", at)
        size = int(rest[at:end], 16)
        if size == 0:
            return b"".join(parts).decode()
        parts.append(rest[end + 2:end + 2 + size])
        at = end + 2 + size + 2


def has_counted(events):
    """Whether streamgauge has counted so many events."""
    def is_ready(server):
        answer = server.get("/metrics?name[]=streamgauge_source_events_total")
        return sum(samples(body(answer), {"streamgauge_source_events_total"}).values()) >= events
    return is_ready


def has_read(lines):
    """Whether mtail has read so many lines."""
    def is_ready(server):
        answer = server.get("/debug/vars")
        return json.loads(body(answer)).get("lines_total", 0) >= lines
    return is_ready


def streamgauge(tool, workers, port):
    return [STREAMGAUGE, "--log.level", "error", "run", str(JOBS / f"{tool}.yaml"),
            "--engine.workers", str(workers), "--web.listen-address", f"127.0.0.1:{port}"]


class Scrape:
    """J6: a program that has read everything, and is asked for it."""

    def __init__(self, comparison):
        self.of, self.path = comparison, comparison.folder / SCRAPE.input
        self.lines, self.expected = comparison.lines(SCRAPE.input), comparison.expected("scrape")

    def serve(self, tool):
        """Starts a tool and waits until it has read the input."""
        port = free_port()
        if tool == "scrape":
            server = Server(streamgauge(tool, 1, port), port, self.path, f"{self.of.output}.log")
            server.wait_until(has_counted(self.lines))
        elif tool == "python":
            arguments = [python(), str(JOBS / "peer.py"), "scrape", str(self.path), str(port)]
            server = Server(arguments, port, self.path, f"{self.of.output}.log")
            server.wait_until(lambda server: server.get("/favicon.ico"))
        else:
            server = self.serve_mtail(port)
        return server

    def serve_mtail(self, port):
        """It begins at the end of a file that it finds, so it is given an empty one that then grows."""
        log = self.of.folder / "growing.log"
        log.write_bytes(b"")
        arguments = [find("mtail"), "--port", str(port), "--emit_prog_label=false", "--address", "127.0.0.1",
                     "--progs", str(JOBS / "scrape.mtail"), "--logs", str(log)]
        server = Server(arguments, port, log, f"{self.of.output}.log")
        server.wait_until(has_read(0))
        with open(self.path, "rb") as source, open(log, "ab") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        server.wait_until(has_read(self.lines))
        log.unlink()
        return server

    def compare(self):
        print(f"\n{SCRAPE.key}: {SCRAPE.title} ({len(self.expected)} series of 3 labels, not compressed)")
        print(f"{'':30} {'first ms':>9} {'all ms':>9} {'MB':>7} {'B/series':>9} {'all x':>8}")
        with contextlib.ExitStack() as stack:
            self.take_turns(stack)
        self.compare_load()
        print(f"target: {SCRAPE.target}")

    def take_turns(self, stack):
        """All programs are started and have read everything; then one after the other is scraped, again and again."""
        servers, resident, sizes = {}, {}, {}
        for tool in self.of.chosen(SCRAPE):
            try:
                servers[tool] = stack.enter_context(self.serve(tool))
            except Missing as why:
                print(f"{tool:30} missing: {why}")
                continue
            resident[tool] = servers[tool].resident() / len(self.expected)
            text = body(servers[tool].get("/metrics"))
            sizes[tool] = len(text) / 1e6
            check(tool, text, self.expected)
        rounds = [{tool: server.time("/metrics") for tool, server in servers.items()} for _ in range(self.of.rounds)]
        taken = {tool: [statistics.median(times) * 1000 for times in zip(*(round[tool] for round in rounds))]
                 for tool in servers}
        for tool, (first, whole) in taken.items():
            print(f"{shown(tool):30} {first:9.1f} {whole:9.1f} {sizes[tool]:7.1f} {resident[tool]:9.0f} "
                  f"{whole / taken[SCRAPE.tools[0]][1]:8.2f}")

    def compare_load(self):
        """What scrapes cost the one worker: the input through a pipe, over and over, while all series are there."""
        port = free_port()
        command = streamgauge("scrape-stdin", 1, port)
        with Server(command, port, self.path, f"{self.of.output}.log", subprocess.PIPE) as server:
            self.feed(server, 1)
            server.wait_until(has_counted(self.lines))
            took = {False: [], True: []}
            for at in range(2 * self.of.rounds):
                # Neither is always the first of a pair.
                is_scraped = at % 4 in (1, 2)
                took[is_scraped].append(self.feed(server, PASSES, is_scraped))
            counted = (1 + 2 * self.of.rounds * PASSES) * self.lines
            server.wait_until(has_counted(counted))
            if has_counted(counted + 1)(server):
                sys.exit(f"streamgauge has counted more than {counted} events")
        without, scraped = (statistics.median(times) for times in took.values())
        print(f"one worker, all series there: {PASSES * self.lines / without / 1e6:.3f} M/s, "
              f"with a scrape at once and every 5 s {PASSES * self.lines / scraped / 1e6:.3f} M/s: "
              f"{(1 - without / scraped) * 100:.1f} % less (in {scraped:.1f} s)")

    def feed(self, server, passes, is_scraped=False):
        """Writes the input to a server some times over, maybe with scrapes meanwhile: the seconds until all is taken."""
        start = time.perf_counter()
        with subprocess.Popen(["cat", *[str(self.path)] * passes], stdout=server.child.stdin) as feeder:
            while feeder.poll() is None:
                if is_scraped:
                    server.time("/metrics")
                try:
                    feeder.wait(SCRAPE_INTERVAL)
                except subprocess.TimeoutExpired:
                    pass
        return time.perf_counter() - start


def compare_lanes(of):
    """One file on one worker, and two files on two, from the start until all is counted."""
    kinds = {1: "access.log", 2: "access*.log"}
    lines = {1: of.lines("access.log"), 2: of.lines("access.log") + of.lines("access-2.log")}
    wall = {1: [], 2: []}
    for at in range(of.rounds + 1):
        for workers, glob in kinds.items():
            port = free_port()
            with Server(streamgauge(LANES.tools[0], workers, port), port, of.folder / glob, f"{of.output}.log") as server:
                took = server.wait_until(has_counted(lines[workers]))
            if at > 0:
                wall[workers].append(took)
    print(f"\n{LANES.key}: {LANES.title} ({LANES.input}: {lines[1]} records each)")
    rates = {workers: lines[workers] / statistics.median(times) / 1e6 for workers, times in wall.items()}
    for workers, rate in rates.items():
        seconds = statistics.median(wall[workers])
        print(f"{f'{workers} of each':30} {rate:8.3f} M/s {seconds:8.3f} s {rate / rates[1]:8.2f} x")
    print(f"target: {LANES.target}")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/compare.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"all, or some of {', '.join(KEYS)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is run, after once to warm up")
    parser.add_argument("--scale", type=float, default=1.0, help="which part of the inputs is made, such as 0.01")
    parser.add_argument("--tools", default="", help="only these peers, such as mawk,grep; ours are always run")
    given = parser.parse_args()
    if unknown := set(given.jobs) - set(KEYS):
        parser.error(f"there is no job {', '.join(sorted(unknown))}: the jobs are {', '.join(KEYS)}")
    if given.rounds < 1:
        parser.error("there is at least one round")
    return given


def main():
    given = arguments()
    folder = ROOT / "target" / "compare" / f"{given.scale:g}"
    # The last thing that is written says that everything before it is whole.
    if not (folder / "scrape.expected").exists():
        subprocess.run(["cargo", "bench", "--locked", "--quiet", "--bench", "inputs", "--", str(folder), str(given.scale)],
                       cwd=ROOT, check=True)
    comparison = Comparison(folder, given.rounds, [tool for tool in given.tools.split(",") if tool])
    print(f"medians of {given.rounds} rounds, scale {given.scale:g}; x: a multiple of what the first line took", flush=True)
    wanted = given.jobs or KEYS
    for job in COMPARED:
        if job.key in wanted:
            comparison.compare(job)
            sys.stdout.flush()
    if SCRAPE.key in wanted:
        Scrape(comparison).compare()
    if LANES.key in wanted:
        compare_lanes(comparison)


if __name__ == "__main__":
    main()

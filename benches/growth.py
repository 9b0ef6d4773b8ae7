"""Measures what more of something costs: rules, metrics, series, longer lines, workers.

Everything follows from a fixed seed, and every answer is compared with what was generated. What the start and the end of the
program take is measured with the first line alone, and is not part of what an event costs.
"""

import argparse
import os
import random
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from compare import ROOT, STREAMGAUGE, Server, body, environment, free_port, has_counted, run

TIME = "2026-11-20T14:03:22.104Z"
SERVICES = 20
# One in so many lines says ERROR.
ERRORS = 100
# A file of `workers` is the log so many times.
TIMES = 6
SUBJECTS = ["payment declined", "session expired", "order accepted", "parcel printed", "token renewed",
            "stock depleted", "refund issued", "mail bounced", "cart abandoned", "price changed"]

SOURCE = 'source: {file: {include: ["${INPUT}"], start_at: beginning}}\n'
MESSAGES = SOURCE + r"""decode: {regex: '^\S+ [A-Z]+ \S+ (?P<message>.*)$'}
stages:
  - classify:
      field: message
      into: reason
      otherwise: other
      rules:
%s
metrics:
  - counter: {name: messages_total, help: Messages., labels: [reason]}
"""
BY_SERVICE = SOURCE + r"decode: {regex: '^\S+ (?P<level>[A-Z]+) (?P<service>\S+) '}" + "\nmetrics:\n%s"
WORD = SOURCE + """metrics:
  - counter: {name: errors_total, help: Errors., where: 'raw.contains("ERROR")'}
"""
BY_USER = SOURCE + """decode: {pattern: 'user=$user ms=$ms'}
metrics:
  - %s: {name: %s, help: By user., labels: [user], max_series: 2000000%s}
"""
# Each kind of aggregator: its word, a name, its keys, and how many series are measured. Those of HDR histograms have their
# full size from the first value on.
KINDS = {
    "counter": ("counter", "users_total", "", 100_000),
    "gauge": ("gauge", "users", ", value: ms", 100_000),
    "histogram, 10 buckets": ("histogram", "users", ", value: ms, buckets: {exponential: {start: 1, factor: 2, count: 10}}",
                              100_000),
    "summary": ("summary", "users", ", value: ms, window: 5m", 100_000),
    "summary, hdr": ("summary", "users", ", value: ms, window: 5m, hdr: {lowest: 1, highest: 60000}", 10_000),
    "rate": ("rate", "users", ", window: 5m", 100_000),
}


@dataclass
class Input:
    """A file of lines, and another one of its first line."""

    path: Path
    lines: int

    @property
    def first(self):
        return self.path.with_suffix(".first")


@dataclass
class Cost:
    """Medians: of an event in nanoseconds, and of starting and ending in seconds of processor time."""

    wall: float
    processor: float
    start: float

    def shown(self):
        return f"{rate(self.wall)} {nanoseconds(self.processor)} {self.start * 1e3:9.1f}"


def rate(each, digits=2):
    """Millions a second, of nanoseconds for each. What is too little to be measured is none."""
    return f"{1e3 / each:8.{digits}f}" if each > 0 else f"{'-':>8}"


def nanoseconds(each):
    return f"{each:8.0f}" if each > 0 else f"{'-':>8}"


def counted(text, name):
    """How many samples of a name a text in the Prometheus format has, and their sum."""
    values = [float(line.rpartition(" ")[2]) for line in text.split("\n")
              if line.startswith(name) and line[len(name)] in "{ "]
    return len(values), sum(values)


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found}, not {expected}")


class Growth:
    """Where the inputs are, how large they are, and how often everything is run."""

    def __init__(self, folder, scale, rounds):
        self.folder, self.scale, self.rounds = folder, scale, rounds
        self.output = str(folder / "output")
        folder.mkdir(parents=True, exist_ok=True)

    def scaled(self, number):
        return max(round(number * self.scale), 10)

    def write(self, name, lines):
        path = self.folder / name
        path.write_text("".join(lines))
        made = Input(path, len(lines))
        made.first.write_text(lines[0])
        return made

    def replay(self, pipeline, path):
        """What a pipeline takes for an input: seconds, seconds of processor time; what it printed is in the output."""
        file = self.folder / "pipeline.yaml"
        file.write_text(pipeline)
        wall, processor, _ = run([STREAMGAUGE, "--log.level", "error", "replay", str(file), "--input", str(path)], path,
                                 self.output)
        return wall, processor

    def printed(self):
        return Path(self.output).read_text()

    def cost(self, pipeline, given, is_right):
        """What an event costs. `is_right` ends the program where what is printed is wrong."""
        whole, first = [], []
        for _ in range(self.rounds):
            first.append(self.replay(pipeline, given.first))
            whole.append(self.replay(pipeline, given.path))
            is_right(self.printed())
        (wall, processor), (wall_of_first, start) = ([statistics.median(taken) for taken in zip(*runs)]
                                                     for runs in [whole, first])
        events = max(given.lines - 1, 1)
        return Cost((wall - wall_of_first) * 1e9 / events, (processor - start) * 1e9 / events, start)

    def serve(self, pipeline, path, workers=1):
        """A server that has just been started."""
        file, port = self.folder / "pipeline.yaml", free_port()
        file.write_text(pipeline)
        return Server([STREAMGAUGE, "--log.level", "error", "run", str(file), "--engine.workers", str(workers),
                       "--web.listen-address", f"127.0.0.1:{port}"], port, path, f"{self.output}.log")


def log(growth, lines):
    """An application log of ten messages, and how often each occurs."""
    chance = random.Random(1)
    drawn = chance.choices(range(len(SUBJECTS)), k=lines)
    made = [f"{TIME} {'INFO' if chance.randrange(ERRORS) else 'ERROR'} svc-{chance.randrange(SERVICES):02} {SUBJECTS[kind]} "
            f"order={chance.randrange(10**5, 10**6)} took={chance.randrange(1000)}ms\n" for kind in drawn]
    return growth.write("app.log", made), [drawn.count(kind) for kind in range(len(SUBJECTS))]


def with_literals(at):
    """The rule of this number: the first ten match, others begin like them."""
    subject, verb = SUBJECTS[at % len(SUBJECTS)].split(" ")
    return f"{subject} ({verb}|refused)" if at < len(SUBJECTS) else f"{subject} (delayed|stopped) {at}"


def without_literals(at):
    """A rule that asks for no text: a letter, and how long two words are. Only the first ten occur."""
    subject, verb = SUBJECTS[at % len(SUBJECTS)].split(" ")
    more = at // len(SUBJECTS)
    return rf"{subject[0]}\w{{{len(subject) - 1 + 2 * more}}}\W\w{{{len(verb) + more}}}\W"


def rules(growth):
    """A stage that classifies by more rules."""
    given, kinds = log(growth, growth.scaled(500_000))
    print("\nrules: of `classify`, with a literal to search for, and without")
    print(f"{'rules':>8} {'M/s':>8} {'ns':>8} {'start ms':>9}   {'M/s':>8} {'ns':>8} {'start ms':>9}")
    for count in [1, 3, 10, 30, 100, 300, 1000]:
        def is_right(printed, count=count):
            found = {int(at): int(number) for at, number in re.findall(r'reason="r(\d+)"} (\d+)', printed)}
            check("messages by rule", found, dict(enumerate(kinds[:count])))
            check("messages", counted(printed, "messages_total")[1], given.lines)

        row = f"{count:8}"
        for rule in [with_literals, without_literals]:
            if rule is without_literals and count > 100:
                continue
            written = "\n".join(f"        r{at}: '{rule(at)}'" for at in range(count))
            cost = growth.cost(MESSAGES % written, given, is_right)
            row += f" {cost.shown()}  "
        print(row.rstrip(), flush=True)


def counters(count):
    """So many metrics that count the same."""
    each = "  - counter: {name: lines_%d_total, help: Lines., labels: [service]}\n"
    return "".join(each % at for at in range(count))


def metrics(growth):
    """More metrics of one pipeline."""
    given, _ = log(growth, growth.scaled(500_000))
    print("\nmetrics: counters by service, the service by a regex")
    print(f"{'metrics':>8} {'M/s':>8} {'ns':>8} {'start ms':>9}")
    for count in [1, 2, 5, 10, 20, 50]:
        def is_right(printed, count=count):
            for at in range(count):
                check(f"lines of metric {at}", counted(printed, f"lines_{at}_total"), (min(SERVICES, services), given.lines))

        services = len({line.split(" ", 3)[2] for line in given.path.read_text().split("\n") if line})
        cost = growth.cost(BY_SERVICE % counters(count), given, is_right)
        print(f"{count:8} {cost.shown()}", flush=True)


def users(growth, series, more, in_order=False):
    """Lines of so many users, each at least once, and `more` by chance; `in_order` of their names, or of chance."""
    chance = random.Random(series)
    drawn = [*range(series), *chance.choices(range(series), k=more)]
    if not in_order:
        chance.shuffle(drawn)
    return growth.write(f"users-{series}-{more}.log", [f"user=u{at:07} ms={1 + at * 7919 % 997}\n" for at in drawn])


def series(growth):
    """One metric of more series. What the first events of all series take is measured by themselves, and taken off."""
    lines = growth.scaled(1_000_000)
    print("\nseries: of one counter, seen before, and for the first time with the end of the program")
    print(f"{'series':>8} {'M/s':>8} {'ns':>8} {'first ns':>9}")
    for each in [10, 100, 1000, 10_000, 100_000, 1_000_000]:
        each = growth.scaled(each)
        pipeline = BY_USER % KINDS["counter"][:3]
        once, again = users(growth, each, 0), users(growth, each, lines)
        taken = {}
        for given in [once, again]:
            def is_right(printed, given=given):
                check("series and lines", counted(printed, "users_total"), (each, given.lines))

            cost = growth.cost(pipeline, given, is_right)
            taken[given.lines] = [cost.wall * (given.lines - 1), cost.processor * (given.lines - 1)]
        first, whole = taken[once.lines], taken[again.lines]
        wall, processor = ((after - before) / lines for before, after in zip(first, whole))
        of_first = nanoseconds(first[1] / each if each >= growth.scaled(10_000) else 0)
        print(f"{each:8} {rate(wall)} {nanoseconds(processor)}  {of_first}", flush=True)


def length(growth):
    """Lines of more bytes."""
    print("\nlength: counted by a regex at the start of lines, and searched for a word that 1 % have")
    print(f"{'bytes':>8} {'M/s':>8} {'MB/s':>8} {'ns':>8}   {'M/s':>8} {'MB/s':>8} {'ns':>8}")
    chance = random.Random(1)
    pool = " ".join(chance.choices([subject.split(" ")[0] for subject in SUBJECTS], k=1 << 16))
    for size in [50, 200, 1000, 4000, 16_000, 64_000]:
        lines = []
        for _ in range(growth.scaled(min(200_000_000 // size, 2_000_000))):
            head = f"{TIME} {'INFO' if chance.randrange(ERRORS) else 'ERROR'} svc-{chance.randrange(SERVICES):02} "
            start = chance.randrange(len(pool) - size)
            lines.append(head + pool[start:start + size - len(head) - 1] + "\n")
        errors = sum(" ERROR " in line for line in lines)
        given = growth.write("length.log", lines)
        row = f"{size:8}"
        for pipeline, name, expected in [(BY_SERVICE % counters(1), "lines_0_total", given.lines),
                                         (WORD, "errors_total", errors)]:
            def is_right(printed, name=name, expected=expected):
                check(name, counted(printed, name)[1], expected)

            cost = growth.cost(pipeline, given, is_right)
            row += f" {rate(cost.wall)} {rate(cost.wall / size, 0)} {nanoseconds(cost.processor)}  "
        print(row.rstrip(), flush=True)


def processor_time(server):
    """Seconds of processor time that a server has used so far."""
    times = Path(f"/proc/{server.child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def workers(growth):
    """More files, and more workers for them."""
    given, _ = log(growth, growth.scaled(500_000))
    lines = given.path.read_text()
    files = [growth.folder / f"lane-{at}.log" for at in [1, 2]]
    for file in files:
        file.write_text(lines * TIMES)
    pipeline, one = BY_SERVICE % counters(20), None
    print("\nworkers: by twenty metrics, from the start until all is counted")
    print(f"{'files':>8} {'workers':>8} {'M/s':>8} {'x':>8} {'ns':>8}")
    for many, count, path in [(1, 1, files[0]), (2, 1, growth.folder / "lane-*.log"), (2, 2, growth.folder / "lane-*.log")]:
        events, taken = TIMES * many * given.lines, []
        for _ in range(growth.rounds):
            with growth.serve(pipeline, path, count) as server:
                taken.append((server.wait_until(has_counted(events)), processor_time(server)))
                answer = server.get("/metrics")
                check("lines", counted(body(answer), "lines_19_total")[1], events)
        wall, processor = (statistics.median(times) * 1e9 / events for times in zip(*taken))
        one = one or wall
        print(f"{many:8} {count:8} {rate(wall)} {one / wall:8.2f} {nanoseconds(processor)}", flush=True)


def memory(growth):
    """What a series takes, by the kind of its metric."""
    few, more = growth.scaled(10), growth.scaled(1_000_000)
    print("\nmemory: about ten values for each series; what is resident beyond that of the program with 10 series")
    print(f"{'kind':24} {'series':>8} {'MiB':>8} {'B/series':>9}")
    for name, (*kind, many) in KINDS.items():
        many = growth.scaled(many)
        resident = []
        for each, lines in [(few, more), (many, more * many // growth.scaled(100_000))]:
            given = users(growth, each, lines)
            with growth.serve(BY_USER % tuple(kind), given.path) as server:
                server.wait_until(has_counted(given.lines))
                resident.append(server.resident())
                answer = server.get("/metrics")
                own = kind[1] + ("_count" if kind[0] in ["histogram", "summary"] else "")
                check(f"series of {name}", counted(body(answer), own)[0], each)
        grown = resident[1] - resident[0]
        print(f"{name:24} {many:8} {grown / 2**20:8.1f} {grown / (many - few):9.0f}", flush=True)


def scrape(growth):
    """Expositions of more series."""
    print("\nscrape: not compressed; the series came by chance, and in the order of their names")
    print(f"{'series':>8} {'MB':>8} {'first ms':>9} {'all ms':>9} {'ns':>8}   {'first ms':>9} {'all ms':>9} {'ns':>8}")
    for each in [10_000, 100_000, 300_000, 1_000_000]:
        each = growth.scaled(each)
        row = ""
        for in_order in [False, True]:
            given = users(growth, each, 0, in_order)
            with growth.serve(BY_USER % KINDS["counter"][:3], given.path) as server:
                server.wait_until(has_counted(given.lines))
                answer = server.get("/metrics")
                timed = [server.time("/metrics") for _ in range(5)]
            check("series and lines", counted(body(answer), "users_total"), (each, each))
            first, whole = (statistics.median(times) for times in zip(*timed))
            row += f" {first * 1e3:9.1f} {whole * 1e3:9.1f} {nanoseconds(whole * 1e9 / each)}  "
        print(f"{each:8} {len(answer) / 1e6:8.1f}{row.rstrip()}", flush=True)


TABLES = {table.__name__: table for table in [rules, metrics, series, length, workers, memory, scrape]}


def main():
    parser = argparse.ArgumentParser(prog="benches/growth.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"all, or some of {', '.join(TABLES)}")
    parser.add_argument("--quick", action="store_true", help="a hundredth of everything, once: does it work, is it right")
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}: the tables are {', '.join(TABLES)}")
    scale, rounds = (0.01, 1) if given.quick else (1.0, 3)
    growth = Growth(ROOT / "target" / "growth" / f"{scale:g}", scale, rounds)
    for name, table in TABLES.items():
        if not given.tables or name in given.tables:
            table(growth)


if __name__ == "__main__":
    main()

"""The jobs as a Python program would do them with prometheus_client: peer.py JOB INPUT [PORT].

It prints the metrics; with a port it serves them instead, until it is stopped.
"""

import json
import re
import signal
import sys

from prometheus_client import Counter, Histogram, Summary, generate_latest, start_http_server

BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
REQUEST = re.compile(
    r'^\S+ \S+ \S+ \[[^\]]*\] "([A-Z]+) (/[^/? "]*)(?:[/?][^ "]*)? [^"]*" (\d{3}) (\d+) "[^"]*" "[^"]*" ([\d.]+)$'
)
SERVICE = re.compile(r"^\S+ ERROR (\S+)")


def words(lines):
    errors = Counter("errors_total", "Lines with the word.")
    for line in lines:
        if "ERROR" in line:
            errors.inc()


def services(lines):
    errors = Counter("errors_total", "Errors by service.", ["service"])
    for line in lines:
        if match := SERVICE.match(line):
            errors.labels(match[1]).inc()


def requests(lines):
    requests = Counter("http_requests_total", "Requests.", ["method", "route", "status"])
    bodies = Counter("http_response_bytes_total", "Bytes of bodies.", ["route"])
    seconds = Histogram("http_request_duration_seconds", "Time that requests took.", ["route"], buckets=BUCKETS)
    for line in lines:
        if match := REQUEST.match(line):
            method, route, status, size, time = match.groups()
            requests.labels(method, route, status).inc()
            bodies.labels(route).inc(int(size))
            seconds.labels(route).observe(float(time))


def orders(lines):
    orders = Counter("orders_total", "Orders.", ["status", "region"])
    amounts = Counter("order_amount_eur_total", "Amounts of orders.", ["status"])
    latencies = Summary("order_latency_seconds", "Time from order to confirmation.", ["region"])
    for line in lines:
        order = json.loads(line)
        status, region = order["status"], order["customer"]["address"]["region"]
        orders.labels(status, region).inc()
        amounts.labels(status).inc(order["payment"]["amount"])
        latencies.labels(region).observe(order["latency_ms"] / 1000)


def customers(lines):
    orders = Counter("customer_orders_total", "Orders.", ["customer"])
    for line in lines:
        orders.labels(json.loads(line)["customer"]["id"]).inc()


def scrape(lines):
    orders = Counter("customer_orders_total", "Orders.", ["customer", "region", "segment"])
    for line in lines:
        customer = json.loads(line)["customer"]
        orders.labels(customer["id"], customer["address"]["region"], customer["segment"]).inc()


def main():
    job, path, *port = sys.argv[1:]
    with open(path, encoding="utf-8") as lines:
        globals()[job](lines)
    if port:
        start_http_server(int(port[0]), "127.0.0.1")
        signal.pause()
    sys.stdout.buffer.write(generate_latest())


main()

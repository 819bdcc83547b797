#!/usr/bin/env python3
"""A complete framework without any library: runs some copies of a command to their end, and again those that fail."""
import argparse
import contextlib
import http.client
import json
import random
import sys
import time
from urllib.parse import urlsplit

NEEDS = {"cpus": 0.1, "mem": 32.0}  # Of each copy: cores, and MiB of memory.
REFUSE = {"refuse_seconds": 3600}  # Not to be offered the same again for an hour, unless we ask (REVIVE).
LOST = (OSError, http.client.HTTPException, ValueError)  # What broken connections and records raise.


class Master:
    """The scheduler API: one connection for the stream of events, and one for each call."""

    def __init__(self, args):
        self.args = args
        self.masters = [url if "://" in url else "http://" + url for url in args.master.split(",")]
        self.url, self.stream, self.stream_id, self.framework_id = self.masters[0], None, None, None

    def post(self, call, timeout):
        kind = http.client.HTTPSConnection if self.url.startswith("https:") else http.client.HTTPConnection
        connection = kind(urlsplit(self.url).hostname, urlsplit(self.url).port or 5050, timeout=timeout)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers.update({"Mesos-Stream-Id": self.stream_id} if self.stream_id else {})
        call.update({"framework_id": self.framework_id} if self.framework_id else {})
        if self.args.token_file:  # Read each time: tokens are replaced before they expire.
            with open(self.args.token_file, encoding="ascii") as file:
                headers["Authorization"] = "Bearer " + file.read().strip()
        connection.request("POST", "/api/v1/scheduler", json.dumps(call), headers)
        return connection, connection.getresponse()

    def call(self, kind, **body):
        if not self.stream_id:
            raise ConnectionError(f"{kind}: not subscribed")
        _, answer = self.post({"type": kind, **({kind.lower(): body} if body else {})}, 30)
        if answer.status not in (200, 202):
            raise ConnectionError(f"{kind}: {answer.status} {answer.read().decode()}")

    def events(self, info):
        """Subscribes, again if need be, and yields what comes."""
        failures = 0
        while True:
            try:
                self.stream_id = None
                self.stream, answer = self.post({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}, 45)
                if answer.status == 307:
                    self.url = f"{urlsplit(self.url).scheme}://{urlsplit(answer.headers['Location']).netloc}"
                    continue
                if answer.status != 200:
                    raise ConnectionError(f"SUBSCRIBE: {answer.status} {answer.read().decode()}")
                self.stream_id = answer.headers["Mesos-Stream-Id"]
                # RecordIO: the length in decimal, a line feed, and so many bytes.
                while length := answer.readline():
                    event = json.loads(answer.read(int(length)))
                    if event["type"] == "SUBSCRIBED":
                        failures, body = 0, event["subscribed"]
                        self.framework_id = info["id"] = body["framework_id"]
                        self.stream.sock.settimeout(3 * body["heartbeat_interval_seconds"])  # Silence: it is dead.
                    if event["type"] == "ERROR":
                        sys.exit(event["error"]["message"])
                    yield event
                raise ConnectionError("the stream is closed")
            except LOST as error:
                print(f"disconnected: {error}", flush=True)
                time.sleep(min(10, 0.1 * 2**failures) * random.uniform(0.5, 1))
                failures += 1
                self.url = self.masters[failures % len(self.masters)]


class Copies:
    def __init__(self, args):
        self.args, self.master, self.finished, self.failed = args, Master(args), 0, False
        self.waiting, self.live, self.starts = list(range(args.copies)), {}, [0] * args.copies

    def offered(self, offer):
        free, tasks = dict.fromkeys(NEEDS, 0), []
        for resource in offer["resources"]:
            if resource["name"] in NEEDS and not {"reservations", "revocable"} & resource.keys():
                free[resource["name"]] += resource["scalar"]["value"]
        fit = min(int(free[name] / need + 1e-6) for name, need in NEEDS.items())
        resources = [{"name": name, "type": "SCALAR", "scalar": {"value": need}} for name, need in NEEDS.items()]
        for copy in [self.waiting.pop() for _ in range(min(fit, len(self.waiting)))]:
            self.starts[copy] += 1
            name = f"copy-{copy}-{self.starts[copy]}"
            self.live[name] = copy
            tasks.append({"name": name, "task_id": {"value": name}, "agent_id": offer["agent_id"],
                          "resources": resources, "command": {"value": self.args.command}})
        launch = {"operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]} if tasks else {}
        try:
            self.master.call("ACCEPT" if tasks else "DECLINE", offer_ids=[offer["id"]], filters=REFUSE, **launch)
        except LOST:
            self.waiting += [self.live.pop(task["name"]) for task in tasks]
            raise

    def updated(self, status):
        name, state = status["task_id"]["value"], status["state"]
        print(f"{name}: {state} {status.get('message', '')}", flush=True)
        if "uuid" in status:  # The master's own updates have none and need no acknowledgement.
            self.master.call("ACKNOWLEDGE", **{key: status[key] for key in ("agent_id", "task_id", "uuid")})
        if state in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING") or name not in self.live:
            return
        copy = self.live.pop(name)
        if state == "TASK_FINISHED":
            self.finished += 1
        elif self.starts[copy] > self.args.restarts:
            self.failed = True
        else:
            self.waiting.append(copy)
            self.master.call("REVIVE")

    def take(self, event):
        if event["type"] == "SUBSCRIBED":
            print("subscribed as", self.master.framework_id["value"], flush=True)
            if self.live:  # From before: what became of them?
                self.master.call("RECONCILE", tasks=[{"task_id": {"value": name}} for name in self.live])
        elif event["type"] == "OFFERS":
            for offer in event["offers"]["offers"]:
                self.offered(offer)
        elif event["type"] == "UPDATE":
            self.updated(event["update"]["status"])

    def run(self):
        for event in self.master.events({"user": "nobody", "name": "python-framework", "failover_timeout": 60}):
            try:
                self.take(event)
            except LOST as error:
                print(error, flush=True)
            if self.failed or self.finished == self.args.copies:
                return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", default="127.0.0.1:5050", help="host:port or URL; with commas between several")
    parser.add_argument("--copies", type=int, default=1, help="how many copies to run")
    parser.add_argument("--restarts", type=int, default=3, help="how often a copy that fails is started again")
    parser.add_argument("--token-file", help="a file with a bearer token")
    parser.add_argument("command", help="the command, for /bin/sh -c")
    copies = Copies(parser.parse_args())
    with contextlib.suppress(KeyboardInterrupt):
        copies.run()
    copies.master.call("TEARDOWN")
    print(f"{copies.finished} of {copies.args.copies} copies finished")
    sys.exit(copies.finished < copies.args.copies)

"""Launches a task group of which one task fails, and prints how each of its tasks ended. Arguments: the folder of the
Python example, whose client this uses, and the master's URL."""
import argparse
import sys

sys.path.insert(0, sys.argv[1])
from framework import Master  # noqa: E402

COMMANDS = {"steady": "sleep 600", "failing": "sleep 1; exit 3"}
EXECUTOR = {"cpus": 0.05, "mem": 32.0, "disk": 1.0}
TASK = {"cpus": 0.05, "mem": 16.0}


def scalars(amounts):
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts.items()]


def launch(master, offer):
    tasks = [{"name": name, "task_id": {"value": name}, "agent_id": offer["agent_id"], "resources": scalars(TASK),
              "command": {"value": command}} for name, command in COMMANDS.items()]
    executor = {"type": "DEFAULT", "executor_id": {"value": "group"}, "framework_id": master.framework_id,
                "resources": scalars(EXECUTOR)}
    group = {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": tasks}}}
    master.call("ACCEPT", offer_ids=[offer["id"]], operations=[group], filters={"refuse_seconds": 3600})


def has_disk(offer):
    return any(resource["name"] == "disk" for resource in offer["resources"])


def main():
    master = Master(argparse.Namespace(master=sys.argv[2], token_file=None))
    launched, ended = False, {}
    for event in master.events({"user": "nobody", "name": "task-group", "failover_timeout": 60}):
        if event["type"] == "OFFERS" and not launched:
            offer = next(filter(has_disk, event["offers"]["offers"]), None)
            if offer:
                launch(master, offer)
                launched = True
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            if "uuid" in status:
                master.call("ACKNOWLEDGE", **{key: status[key] for key in ("agent_id", "task_id", "uuid")})
            if status["state"] not in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"):
                name = status["task_id"]["value"]
                ended[name] = f"{name}: {status['state']} under {status.get('executor_id', {}).get('value')}"
        if len(ended) == len(COMMANDS):
            break
    master.call("TEARDOWN")
    print("\n".join(sorted(ended.values())))


main()

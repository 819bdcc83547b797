#!/bin/sh
# A scheduler made of kubectl alone. It accepts one Offer, declines another with a filter, and answers a third too late.
set -eu
cd "$(dirname "$0")"

kubectl() { command kubectl ${NAMESPACE:+--namespace="$NAMESPACE"} "$@"; }
say() { printf '\n== %s\n' "$*"; }
fail() { echo "offers-by-hand: $*" >&2; exit 1; }

# Name and agent of each offer that waits for a reply, a line each.
outstanding() {
  kubectl get offers --field-selector spec.terms.framework=by-hand -o jsonpath="{range .items[?(@.status.phase=='Outstanding')]}{.metadata.name} {.spec.terms.agent.name}{'\n'}{end}"
}

# next AGENT: waits for an offer of that agent ('.*' for any) and prints its name and agent.
next() {
  end=$(($(date +%s) + 90))
  until offer=$(outstanding | grep " $1\$"); do
    [ "$(date +%s)" -lt "$end" ] || fail "no offer of agent $1 within 90 s: see kubectl describe framework by-hand"
    sleep 0.2
  done
  echo "$offer" | head -n 1
}

# reply OFFER JSON
reply() { kubectl patch offer "$1" --type merge -p "{\"spec\": {\"reply\": $2}}"; }
phase() { kubectl wait offer "$1" --for=jsonpath='{.status.phase}'="$2" --timeout=60s; }

kubectl delete --ignore-not-found -f task.yaml # from an earlier run: a Task runs only once
kubectl apply -f framework.yaml -f task.yaml

say "accept an offer: the task that waits is launched on it"
offer=$(next '.*')
set -- $offer
reply "$1" '{"accept": {"operations": [{"launch": {"tasks": ["by-hand"]}}]}}'
kubectl wait task by-hand --for=condition=Finished --timeout=60s
kubectl get task by-hand

say "decline an offer for 20 seconds: its agent is not offered again before that"
offer=$(next "$2")
set -- $offer
reply "$1" '{"decline": {"filters": {"refuseSeconds": 20}}}'
phase "$1" Declined && start=$(date +%s)
offer=$(next "$2")
set -- $offer
waited=$(($(date +%s) - start))
[ "$waited" -ge 18 ] || fail "agent $2 was offered again after $waited s"
echo "agent $2 was offered again after $waited s, as $1"

say "leave that offer alone: it expires, and a late reply is told so"
phase "$1" Expired
if answer=$(reply "$1" '{"decline": {}}' 2>&1); then fail "the late reply was taken: $answer"; fi
echo "$answer"
say "done; kubectl delete -f $PWD removes it all"

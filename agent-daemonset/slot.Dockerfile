# The slot's image: one static program that waits. Tasks run beside it, below the pod's cgroup.
FROM scratch
COPY proffer-init /
USER 65534:65534
ENTRYPOINT ["/proffer-init", "pause"]

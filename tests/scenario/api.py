"""A real kube-apiserver for a scenario's restored cluster: it runs on this host, where the masters reach it as a site's load
balancer, and stores in the cluster's own etcd. Objects that are to be there before go into the snapshot as stored().

	api = api_host(story, cluster)              # before the disks are made: kubeconfigs name it from then on
	... restored, healthy ...
	serve(api, story.port(master))              # the etcd that it stores in
"""

import json
import uuid

from interop.finished import Master
from machine import pki

SINCE = "2026-11-19T08:00:00Z"      # when what is stored was made


def api_host(story, cluster):
    """A Master of interop/finished.py without an etcd; call() asks the server."""
    host = Master(story.work / "api", cluster.cas, cluster.etcd)
    story.closing(host.close)
    pki.certificate(host.pki, "apiserver", "ca", "/CN=kube-apiserver", [pki.SERVER],
                    ["DNS:kubernetes", "IP:127.0.0.1", f"IP:{story.switch.router}"])
    cluster.endpoint = f"{story.switch.router}:{host.api_port}"
    return host


def serve(host, port, tries=4):
    """Starts it. As on a master, where the kubelet does that: it ends when its etcd is too slow at first."""
    host.client = port
    for left in reversed(range(tries)):
        try:
            return host.start_api()
        except AssertionError:
            if not left:
                raise
    return None


def stored(server, prefix, kind, version, name, namespace="", status=None, spec=None, **metadata):
    """Put an object into etcd as JSON, which an API server reads as well as its own protobuf."""
    key = "/".join(["/registry", prefix, *([namespace] if namespace else []), name])
    about = {"name": name, "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, key)), "creationTimestamp": SINCE, **metadata,
             **({"namespace": namespace} if namespace else {})}
    server.put(key, json.dumps({"kind": kind, "apiVersion": version, "metadata": about, "spec": spec or {},
                                **({"status": status} if status else {})}))
    return key


def node(server, name, ready, master=True):
    labels = {"node-role.kubernetes.io/control-plane": ""} if master else {}
    condition = {"type": "Ready", "status": ready, "reason": "x", "message": "x", "lastHeartbeatTime": SINCE}
    return stored(server, "minions", "Node", "v1", name, status={"conditions": [condition]}, labels=labels)


def items(host, path):
    """{name: object} of a list."""
    return {item["metadata"]["name"]: item for item in host.call("GET", path)["items"]}

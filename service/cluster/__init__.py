"""The service as an application of Ray Serve, over several machines: the extra `ray`.

    uploads ──▶ ingress (the routes) ──▶ decode (large pictures)
                        └──▶ vote (the models, the batcher, the rollout)

Each is a deployment of its own, which Ray places, scales, watches and replaces; nothing of that is written here.
"""

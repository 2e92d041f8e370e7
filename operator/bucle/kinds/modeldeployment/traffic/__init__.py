"""How requests reach revisions: what may be routed, what was counted, and the routers that can do it.

`routing` decides which weights are allowed, `counters` what was counted, `router` is what any router must offer (its
Service, pods and budget included), `choice` says which one a deployment has, and `envoy` is the operator's own.
Nothing outside of `envoy` and `choice` names Envoy.
"""

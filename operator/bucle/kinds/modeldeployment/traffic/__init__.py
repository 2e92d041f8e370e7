"""How requests reach revisions: what may be routed, what was counted, and the routers that can do it.

`routing` decides which weights are allowed, `counters` what was counted, `router` is what any router must offer, and
`envoy` is the operator's own. Nothing outside of `envoy` knows a ConfigMap or a document of Envoy.
"""

// A name server for one node: CoreDNS with the six plugins that its Corefile uses and none of the cloud ones,
// which would double the time it takes to build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// The order of directives is the order in which a query passes the plugins.
	dnsserver.Directives = []string{"bind", "ready", "log", "errors", "cache", "kubernetes"}
	coremain.Run()
}

// Command controlplane is Kubernetes' control plane and kubectl in one binary.
//
// The first argument names the component, as in `controlplane kube-apiserver --help`. A link to the
// binary under a component's name is that component: kubectl finds its own name and its plugins by
// it. Each process runs one component; one binary holds them all because they share almost all of
// their code, which is then compiled, linked and kept in the page cache once.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	// Log output as JSON, and the Prometheus registrations that the components' own main packages pull in.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

var components = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          serve(apiserver.NewAPIServerCommand),
	"kube-controller-manager": serve(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          serve(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubectl":                 runKubectl,
}

func main() {
	name := filepath.Base(os.Args[0])
	if run, found := components[name]; found {
		run()
		return
	}
	if len(os.Args) > 1 {
		if run, found := components[os.Args[1]]; found {
			// The component sees itself as the program, so that its own flag parsing and help fit.
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	names := slices.Sorted(maps.Keys(components))
	fmt.Fprintf(os.Stderr, "usage: %s COMPONENT [FLAG]...\ncomponents: %s\n", name, strings.Join(names, ", "))
	os.Exit(2)
}

// serve runs one of the servers until it is told to stop, and exits with its code.
func serve(command func() *cobra.Command) func() {
	return func() { os.Exit(cli.Run(command())) }
}

// runKubectl prints errors itself, in kubectl's own form, instead of leaving that to the runner.
func runKubectl() {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}

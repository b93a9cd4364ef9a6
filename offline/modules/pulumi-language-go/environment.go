package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// environment has what Pulumi's SDK for Go reads of its run, beside this process's own variables.
func (h *host) environment(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.Config)
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(append([]string{}, req.ConfigSecretKeys...))
	if err != nil {
		return nil, err
	}
	variables := os.Environ()
	for name, value := range map[string]string{
		pulumi.EnvOrganization:        req.Organization,
		pulumi.EnvProject:             req.Project,
		pulumi.EnvPulumiRootDirectory: req.Info.RootDirectory,
		pulumi.EnvStack:               req.Stack,
		pulumi.EnvConfig:              string(config),
		pulumi.EnvConfigSecretKeys:    string(secretKeys),
		pulumi.EnvDryRun:              strconv.FormatBool(req.DryRun),
		pulumi.EnvParallel:            strconv.Itoa(int(req.Parallel)),
		pulumi.EnvMonitor:             req.MonitorAddress,
		pulumi.EnvEngine:              h.engine,
	} {
		if value != "" {
			variables = append(variables, fmt.Sprintf("%s=%s", name, value))
		}
	}
	return variables, nil
}

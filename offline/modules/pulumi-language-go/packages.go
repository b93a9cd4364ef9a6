package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	codegen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GetRequiredPackages finds the Pulumi packages among the modules that a program requires.
func (*host) GetRequiredPackages(
	ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	list := exec.CommandContext(
		ctx, "go", "list", "-m", "-f", "{{if not .Indirect}}{{.Dir}}{{end}}", "all")
	list.Dir, list.Stderr = req.Info.ProgramDirectory, os.Stderr
	printed, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("the modules of %s cannot be listed: %w", list.Dir, err)
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, folder := range strings.Fields(string(printed)) {
		found, err := declared(folder)
		if err != nil {
			return nil, err
		}
		if found != nil && found.Resource {
			response.Packages = append(response.Packages, &pulumirpc.PackageDependency{
				Name: found.Name, Version: found.Version, Server: found.Server, Kind: "resource",
			})
		}
	}
	return response, nil
}

// declared is what a module says of the plugin that it needs, or nil if it needs none.
func declared(module string) (*plugin.PulumiPluginJSON, error) {
	for _, pattern := range []string{"", "go", "go/*", "*"} {
		files, err := filepath.Glob(filepath.Join(module, pattern, "pulumi-plugin.json"))
		if err != nil {
			return nil, err
		}
		if len(files) > 0 {
			return plugin.LoadPulumiPluginJSON(files[0])
		}
	}
	return nil, nil
}

// GeneratePackage writes the SDK of a package, by the generator of the official language host.
func (*host) GeneratePackage(
	_ context.Context, req *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	if len(req.ExtraFiles) > 0 {
		return nil, errors.New("overlays are not supported for Go")
	}
	loader, err := schema.NewLoaderClient(req.LoaderTarget)
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	var spec schema.PackageSpec
	if err := json.NewDecoder(strings.NewReader(req.Schema)).Decode(&spec); err != nil {
		return nil, err
	}
	bound, diagnostics, err := schema.BindSpec(
		spec, schema.NewCachedLoader(loader), schema.ValidationOptions{AllowDanglingReferences: true})
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GeneratePackageResponse{
		Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(diagnostics),
	}
	if diagnostics.HasErrors() {
		return response, nil
	}
	files, err := codegen.GeneratePackage("pulumi-language-go", bound, req.LocalDependencies)
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		file := filepath.Join(req.Directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, err
		}
	}
	return response, nil
}

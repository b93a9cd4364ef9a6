// Command pulumi-language-go is a stand-in for Pulumi's language host for Go.
//
// The official one is in no package registry. This one has the official generator of SDKs, and
// compiles and runs programs as the official one does. All else it refuses. It is for tests alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// grace is the time from the interrupt of a program to its end by force.
const grace = 5 * time.Second

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	// programs ends when no program may run any more.
	programs context.Context
	cancel   context.CancelFunc
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: pulumi-language-go HOST:PORT")
		os.Exit(2)
	}
	if err := serve(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "the stand-in language host for Go:", err)
		os.Exit(1)
	}
}

// serve answers the engine at an address for as long as that is there.
func serve(engine string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engine, time.Minute, stop); err != nil {
		return err
	}
	ended := make(chan bool)
	context.AfterFunc(ctx, func() { close(ended) })
	programs, cancel := context.WithCancel(ctx)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: ended,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(
				server, &host{engine: engine, programs: programs, cancel: cancel})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// GetPluginInfo tells the version, which is that of the CLI.
func (*host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// Cancel interrupts the program; no further one is run.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// Run compiles a program, and runs it to its end.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if len(req.Info.GetOptions().GetFields()) > 0 || req.AttachDebugger {
		return nil, status.Error(codes.Unimplemented,
			"the stand-in language host for Go knows no runtime options and no debugger; "+
				"use Pulumi's own language host for them")
	}
	folder, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "program")
	build := exec.CommandContext(
		ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-w -s", "-o", binary)
	build.Dir = req.Info.ProgramDirectory
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("the program in %s cannot be compiled: %w", build.Dir, err)
	}
	environment, err := h.environment(req)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(h.programs)
	defer context.AfterFunc(ctx, stop)()
	program := exec.CommandContext(running, binary)
	program.Dir, program.Env = req.Pwd, environment
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	program.Cancel = func() error { return program.Process.Signal(os.Interrupt) }
	program.WaitDelay = grace
	return outcome(program.Run()), nil
}

// outcome is what the engine is told of a program's end.
func outcome(err error) *pulumirpc.RunResponse {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case errors.As(err, &ended) && ended.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true} // it has told the engine itself
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program failed: %v", err)}
	}
}

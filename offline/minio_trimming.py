"""Leaves out of MinIO what a server for one machine does not use.

The server is built for `make up` and the tests. Neither moves objects to other clouds, opens the
console or sends events to Elasticsearch; that is a third of the code that MinIO compiles. What is
left out fails with an error that names it.
"""

from offline.source_changes import END_OF_FILE, Change

LEFT_OUT = ("cmd/warm-backend-azure.go", "cmd/warm-backend-gcs.go")

CHANGES = (
    # Tiers in Azure and Google buckets.
    Change(
        "cmd/warm-backend.go",
        """\
		d, err = newWarmBackendAzure(*tier.Azure, tier.Name)
""",
        """\
		err = errTierLeftOut
""",
    ),
    Change(
        "cmd/warm-backend.go",
        """\
		d, err = newWarmBackendGCS(*tier.GCS, tier.Name)
""",
        """\
		err = errTierLeftOut
""",
    ),
    Change(
        "cmd/warm-backend.go",
        """\
		tierLogIf(ctx, err)
		return nil, errTierInvalidConfig
""",
        """\
		tierLogIf(ctx, err)
		if err == errTierLeftOut {
			return nil, err
		}
		return nil, errTierInvalidConfig
""",
    ),
    Change(
        "cmd/api-errors.go",
        """\
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
""",
        "",
    ),
    Change(
        "cmd/api-errors.go",
        """\
	"google.golang.org/api/googleapi"
""",
        "",
    ),
    Change(
        "cmd/api-errors.go",
        """\
		case *googleapi.Error:
""",
        "",
        until="""\
			// Add more other SDK related errors here if any in future.
""",
    ),
    # The console.
    Change(
        "cmd/api-router.go",
        """\
	consoleapi "github.com/minio/console/api"
""",
        "",
    ),
    Change(
        "cmd/api-router.go",
        "func newConsoleServerFn() *consoleapi.Server {",
        "func newConsoleServerFn() *consoleLeftOut {",
    ),
    Change(
        "cmd/api-router.go",
        "func setConsoleSrv(srv *consoleapi.Server) {",
        "func setConsoleSrv(srv *consoleLeftOut) {",
    ),
    Change(
        "cmd/globals.go",
        """\
	consoleapi "github.com/minio/console/api"
""",
        "",
    ),
    Change("cmd/globals.go", "*consoleapi.Server", "*consoleLeftOut"),
    Change(
        "cmd/common-main.go",
        """\
	"github.com/go-openapi/loads"
""",
        "",
    ),
    Change(
        "cmd/common-main.go",
        """\
	consoleapi "github.com/minio/console/api"
	"github.com/minio/console/api/operations"
	consoleoauth2 "github.com/minio/console/pkg/auth/idp/oauth2"
	consoleCerts "github.com/minio/console/pkg/certs"
""",
        "",
    ),
    Change(
        "cmd/common-main.go",
        "func buildOpenIDConsoleConfig() ",
        "",
        until="// Check for updates and print a notification message\n",
    ),
    # Events for Elasticsearch.
    Change(
        "internal/event/target/elasticsearch.go",
        """\
	elasticsearch7 "github.com/elastic/go-elasticsearch/v7"
""",
        "",
    ),
    Change("internal/event/target/elasticsearch.go", '\t"bytes"\n', ""),
    Change("internal/event/target/elasticsearch.go", '\t"encoding/json"\n', ""),
    Change("internal/event/target/elasticsearch.go", '\t"path/filepath"\n', ""),
    Change(
        "internal/event/target/elasticsearch.go",
        '\txhttp "github.com/minio/minio/internal/http"\n',
        "",
    ),
    Change(
        "internal/event/target/elasticsearch.go",
        """\
	clientV7, err := newClientV7(target.args)
""",
        """\
	return errElasticsearchLeftOut
}

""",
        until="func (target *ElasticsearchTarget) init() error {\n",
    ),
    Change(
        "internal/event/target/elasticsearch.go",
        "func NewElasticsearchTarget(",
        """\
func NewElasticsearchTarget(
	string, ElasticsearchArgs, logger.LogOnce,
) (*ElasticsearchTarget, error) {
	return nil, errElasticsearchLeftOut
}
""",
        until=END_OF_FILE,
    ),
)

ADDED = {
    "cmd/left_out.go": """\
package cmd

import (
	"errors"
	"net/http"
)

// errTierLeftOut stands for the tiers that this build of MinIO leaves out.
var errTierLeftOut = AdminError{
	Code:       "XMinioAdminTierLeftOut",
	Message:    "This build of MinIO leaves out tiers on other clouds. Use MinIO's own server.",
	StatusCode: http.StatusNotImplemented,
}

// consoleLeftOut stands for the console that this build of MinIO leaves out.
type consoleLeftOut struct{}

func (*consoleLeftOut) Serve() error    { return nil }
func (*consoleLeftOut) Shutdown() error { return nil }

func initConsoleServer() (*consoleLeftOut, error) {
	return nil, errors.New("this build of MinIO leaves out the console. " +
		"Set MINIO_BROWSER=off, or use MinIO's own server")
}
""",
    "internal/event/target/left_out.go": """\
package target

import "errors"

var errElasticsearchLeftOut = errors.New(
	"this build of MinIO leaves out events for Elasticsearch. Use MinIO's own server")
""",
}

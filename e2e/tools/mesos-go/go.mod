// Pins Mesos schedulers and watchers that were written without knowing of this project; `tool` makes them buildable
// from here without a main.go.
module proffer.dev/e2e/tools/mesos-go

go 1.26.0

tool (
	github.com/mesos/mesos-go/api/v1/cmd/msh
	github.com/mesos/mesos-go/api/v1/cmd/mwatch
)

require (
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/mesos/mesos-go v0.0.11 // indirect
	github.com/pquerna/ffjson v0.0.0-20190930134022-aa0246cd15f7 // indirect
)

using System.CommandLine;
using Broker.Commands;

var root = new RootCommand("Relays committed outbox events of many services' databases to RabbitMQ.")
{
    RunCommand.Create(),
    StatusCommand.Create(),
    SchemaCommand.Create(),
};
// The host itself ends on SIGTERM and Ctrl-C, after what is on its way has been settled.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

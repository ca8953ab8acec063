using System.CommandLine;
using Shop.Conductor;
using Shop.Hosting;

var root = new RootCommand("A shop of three services that agree in the end, whatever is killed on the way.")
{
    RunCommand.Create(),
    ServiceCommand.Create(),
};
// On Ctrl-C and SIGTERM the run still has to end its processes and to remove its queues and databases.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(40) });

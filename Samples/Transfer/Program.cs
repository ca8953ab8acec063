// Money between a ledger in PostgreSQL and a wallet in MariaDB, whatever dies on the way.
// dotnet run --project Samples/Transfer -- two-phase --crash-at after-decision
// dotnet run --project Samples/Transfer -- saga --crash-at after-commit:withdraw
using System.CommandLine;
using System.Data.Common;
using System.Net.Sockets;
using Outbox;
using Outbox.Transport;
using Transfer.Sagas;
using Transfer.TwoPhase;

var root = new RootCommand("Moves money between a PostgreSQL and a MariaDB database, and dies where you like.")
{
    TwoPhaseCommand.Create(),
    TwoPhaseCommand.Recover(),
    SagaCommand.Create(),
    SagaCommand.Check(),
};
try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception exception) when (exception is OutboxConfigurationException or TransportException or TimeoutException or DbException or SocketException)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}

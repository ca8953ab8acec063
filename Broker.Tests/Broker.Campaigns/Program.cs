using System.CommandLine;
using System.Globalization;
using Broker.Campaigns;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is [BankConsumer.Verb])
    return await BankConsumer.RunAsync();
if (args is [TransferWorker.Verb])
    return await TransferWorker.RunAsync();
if (args is [SagaService.Verb])
    return await SagaService.RunAsync();
if (args is [LockHolder.Verb])
    return await LockHolder.RunAsync();
var root = new RootCommand("Tries workers, for as long as you like, under what happens to them in production. The exit code is 1 if a promise was broken.")
{
    CampaignCommands.Nodes(),
    CampaignCommands.Cluster(),
    CampaignCommands.Outage(),
    CampaignCommands.Isolation(),
    CampaignCommands.Consumers(),
    CampaignCommands.Transfers(),
    CampaignCommands.Sagas(),
};
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

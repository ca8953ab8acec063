using System.CommandLine;
using System.Globalization;
using Broker.Campaigns;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var root = new RootCommand("Tries workers, for as long as you like, under what happens to them in production. The exit code is 1 if a promise was broken.")
{
    CampaignCommands.Nodes(),
    CampaignCommands.Cluster(),
    CampaignCommands.Outage(),
    CampaignCommands.Isolation(),
};
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

using System.Text.Json;

namespace Shop.Conductor;

/// <summary>The standalone relay worker, <c>broker run</c>, as an operator would start it: with a configuration file and nothing else.</summary>
internal static class WorkerProcess
{
    public static ChildProcess Start(RunPlan plan) => ChildProcess.Start("worker", Program(), ["run", "--config", plan.FileOf("worker.json")], plan.Folder);

    public static Task WriteConfigurationAsync(RunPlan plan, CancellationToken cancellationToken)
    {
        var configuration = new
        {
            Broker = new
            {
                RabbitMq = new { Uri = plan.Options.RabbitMq },
                plan.Exchange,
                Sources = plan.Services.ToDictionary(s => s.Service, s => new { Database = s.Database.ToString(), s.ConnectionString }),
            },
        };
        return File.WriteAllTextAsync(plan.FileOf("worker.json"), JsonSerializer.Serialize(configuration), cancellationToken);
    }

    /// <summary>Built beside the shop: artifacts/bin/Shop/release and artifacts/bin/Broker/release.</summary>
    private static string Program()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(here.Parent!.Parent!.FullName, "Broker", here.Name, "Broker.dll");
        return File.Exists(program) ? program : throw new RunFailedException($"The worker is missing: {program}. Build it with 'dotnet build Samples/Shop -c Release'.");
    }
}

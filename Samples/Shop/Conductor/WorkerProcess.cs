using System.Text.Json;

namespace Shop.Conductor;

/// <summary>The standalone relay worker, <c>broker run</c>, as an operator would start it: with a configuration file and nothing else.</summary>
internal static class WorkerProcess
{
    public static ChildProcess Start(RunPlan plan) => ChildProcess.Start("worker", Program(), ["run", "--roles", "relay", "--config", plan.FileOf("worker.json")], plan.Folder);

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

    /// <summary>Creates the outbox's tables as an operator does where no migration does it: <c>broker schema --create</c>.</summary>
    public static async Task CreateTablesAsync(RunPlan plan, CancellationToken cancellationToken) => await Task.WhenAll(plan.Services.Select(async service =>
    {
        await using var schema = ChildProcess.Start(
            $"schema-{service.Service}", Program(), ["schema", "--config", plan.FileOf("worker.json"), "--source", service.Service, "--create"], plan.Folder);
        await schema.Ended.WaitAsync(cancellationToken);
        if (schema.ExitCode != 0)
            throw new RunFailedException($"The tables of '{service.Service}' could not be created. {schema.LastWords}");
    }));

    /// <summary>Built beside the shop: artifacts/bin/Shop/release and artifacts/bin/Broker/release.</summary>
    private static string Program()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(here.Parent!.Parent!.FullName, "Broker", here.Name, "Broker.dll");
        return File.Exists(program) ? program : throw new RunFailedException($"The worker is missing: {program}. Build it with 'dotnet build Samples/Shop -c Release'.");
    }
}

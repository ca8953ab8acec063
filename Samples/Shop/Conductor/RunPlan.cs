using System.Security.Cryptography;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary>The names of everything that belongs to one run, so that runs beside each other do not meet.</summary>
internal sealed class RunPlan
{
    public RunPlan(RunOptions options)
    {
        Options = options;
        Id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
        // Readable by this user only: the settings in it hold passwords.
        Folder = Directory.CreateTempSubdirectory($"shop-{Id}-").FullName;
        Exchange = $"shop-{Id}";
        TapQueue = $"shop-{Id}-tap";
        Services = [.. new[] { "orders", "stock", "customers" }.Select(SettingsOf)];
    }

    public RunOptions Options { get; }

    public string Id { get; }

    public string Folder { get; }

    public string Exchange { get; }

    public string TapQueue { get; }

    public IReadOnlyList<ServiceSettings> Services { get; }

    /// <summary>The databases to make on a server and to remove again; none for SQLite, whose files are in the folder.</summary>
    public IEnumerable<string> Databases => Options.Database == DatabaseEngine.Sqlite ? [] : Services.Select(s => DatabaseOf(s.Service));

    public ServiceSettings Of(string service) => Services.Single(s => s.Service == service);

    public string FileOf(string name) => Path.Combine(Folder, name);

    private string DatabaseOf(string service) => $"shop_{Id}_{service}";

    private ServiceSettings SettingsOf(string service) => new()
    {
        Service = service,
        Database = Options.Database,
        ConnectionString = Options.Database == DatabaseEngine.Sqlite
            ? $"Data Source={FileOf(service + ".db")}"
            : DatabaseServer.ConnectionStringOf(Options.Database, Options.ConnectionString!, DatabaseOf(service)),
        RabbitMq = Options.IsEmbedded ? null : Options.RabbitMq,
        Exchange = Exchange,
        Queue = $"shop-{Id}-{service}",
        StatusFile = FileOf(service + ".status.json"),
    };
}

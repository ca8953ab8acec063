using System.Text.RegularExpressions;
using Broker.Relay;
using Microsoft.Extensions.Configuration;
using Outbox;
using Outbox.RabbitMQ;
using Outbox.Sql;

namespace Broker;

/// <summary>Reads the configuration. Every error names the key, the value and a valid one, and never quotes a connection string or a URI.</summary>
internal static partial class BrokerConfiguration
{
    private const string Example = """{ "Broker": { "RabbitMq": { "Uri": "amqp://user:password@host/" }, "Sources": { "orders": { "Database": "PostgreSql", "ConnectionString": "Host=…" } } } }""";

    /// <summary>The files that the configuration is read from, whether they are there or not.</summary>
    public static IReadOnlyList<string> Files(FileInfo? file) =>
        [.. new[] { Path.Combine(AppContext.BaseDirectory, "appsettings.json"), Path.GetFullPath("appsettings.json"), file?.FullName }.OfType<string>().Distinct(StringComparer.Ordinal)];

    /// <summary>Loads appsettings.json beside the program, appsettings.json in the current folder, the given file, and environment variables (<c>Broker__…</c>), the later ones winning.</summary>
    public static IConfigurationRoot Load(FileInfo? file)
    {
        var builder = new ConfigurationBuilder()
            .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true);
        var local = Path.GetFullPath("appsettings.json");
        if (local != Path.Combine(AppContext.BaseDirectory, "appsettings.json"))
            builder.AddJsonFile(local, optional: true);
        if (file is not null)
        {
            if (!file.Exists)
                throw new OutboxConfigurationException($"The configuration file '{file.FullName}' does not exist. Check the path given with --config.");
            builder.AddJsonFile(file.FullName, optional: false);
        }
        try
        {
            return builder.AddEnvironmentVariables().Build();
        }
        catch (Exception exception) when (exception is InvalidDataException or FormatException)
        {
            throw Unreadable(exception);
        }
    }

    /// <summary>Checks the section <c>Broker</c>.</summary>
    public static BrokerSettings Read(IConfiguration configuration, bool needsRabbitMq = true)
    {
        var broker = configuration.GetSection("Broker");
        RefuseUnknown(broker, "RabbitMq", "Sources", "Relay", "Exchange", "Doorbell", "Roles", "Http", "Dashboard", "Jobs", "Telemetry", "Coordinators");
        var sources = ReadSources(broker);
        return new BrokerSettings
        {
            RabbitMq = needsRabbitMq ? ReadRabbitMq(broker.GetSection("RabbitMq")) : null,
            Sources = sources,
            Coordinators = Coordinators.Read(broker.GetSection("Coordinators"), sources),
            Relay = ReadRelay("all", broker.GetSection("Relay")),
            RabbitMqText = TextOf(broker.GetSection("RabbitMq")),
        };
    }

    private static List<SourceSettings> ReadSources(IConfigurationSection broker)
    {
        var sources = new List<SourceSettings>();
        foreach (var section in broker.GetSection("Sources").GetChildren())
        {
            // A list of objects with names, or an object whose keys are the names.
            var name = section["Name"] ?? section.Key;
            RefuseUnknown(section, "Name", "Database", "ConnectionString", "Exchange", "Relay", "Doorbell", "Notify");
            if (!SourceName().IsMatch(name))
                throw new OutboxConfigurationException($"{section.Path}: '{name}' cannot be a source's name. Use lower-case words of letters, digits, dots and hyphens, for example 'orders'.");
            if (sources.Any(s => s.Name == name))
                throw new OutboxConfigurationException($"{section.Path}: two sources are named '{name}'. Each source needs a name of its own.");
            var engines = string.Join(", ", SqlDialect.All);
            if (section["Database"] is not { Length: > 0 } engine)
                throw new OutboxConfigurationException($"{section.Path}:Database is missing. Set it to one of: {engines}.");
            if (!SqlDialect.TryParse(engine, out var dialect))
                throw new OutboxConfigurationException($"{section.Path}:Database is '{engine}', which is no known engine. Use one of: {engines}.");
            if (section["ConnectionString"] is not { Length: > 0 } connectionString)
                throw new OutboxConfigurationException($"{section.Path}:ConnectionString is missing. For {dialect} it looks like '{DataSources.ExampleOf(dialect)}'.");
            DataSources.Check(section.Path, dialect, connectionString);
            var notify = ReadSwitch(section, "Notify") ?? false;
            if (notify)
                dialect.CheckNotify($"{section.Path}:Notify");
            sources.Add(new SourceSettings(name, dialect, connectionString, section["Exchange"] ?? broker["Exchange"] ?? OutboxOptions.DefaultExchange,
                ReadRelay(name, broker.GetSection("Relay"), section.GetSection("Relay")), ReadSwitch(section, "Doorbell") ?? ReadSwitch(broker, "Doorbell") ?? true, notify, TextOf(section) + TextOf(broker.GetSection("Relay"))));
        }
        return sources.Count > 0
            ? sources
            : throw new OutboxConfigurationException($"No sources are configured (Broker:Sources). Add them to appsettings.json, a file given with --config, or the environment, for example: {Example}");
    }

    private static RabbitMqOptions ReadRabbitMq(IConfigurationSection section)
    {
        if (section["Uri"] is null)
            throw new OutboxConfigurationException($"{section.Path}:Uri is missing. It looks like 'amqp://user:password@host:5672/vhost'.");
        Uri uri;
        try
        {
            uri = RabbitMqOptions.ParseUri(section["Uri"]);
        }
        catch (OutboxConfigurationException exception)
        {
            throw new OutboxConfigurationException($"{section.Path}:Uri: {exception.Message}", exception);
        }
        var options = Bind(section, new RabbitMqOptions(), "Uri");
        options.Uri = uri;
        options.ClientName = section["ClientName"] ?? "broker";
        options.Validate();
        return options;
    }

    private static RelayOptions ReadRelay(string source, params IConfigurationSection[] sections)
    {
        var options = new RelayOptions();
        foreach (var section in sections)
            Bind(section, options);
        options.Validate(source);
        return options;
    }

    internal static bool? ReadSwitch(IConfigurationSection section, string key) => section[key] is not { } text ? null
        : bool.TryParse(text, out var value) ? value
        : throw new OutboxConfigurationException($"{section.Path}:{key} is '{text}'. Use true or false.");

    private static string TextOf(IConfigurationSection section) =>
        string.Join('\n', section.AsEnumerable(makePathsRelative: true).Where(c => c.Value is not null).OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Key}={c.Value}").Append(""));

    private static T Bind<T>(IConfigurationSection section, T options, params string[] notThese)
    {
        RefuseUnknown(section, [.. typeof(T).GetProperties().Select(p => p.Name)]);
        var rest = new ConfigurationBuilder().AddInMemoryCollection(section.AsEnumerable(makePathsRelative: true).Where(c => c.Key.Length > 0 && !notThese.Contains(c.Key.Split(':')[0], StringComparer.OrdinalIgnoreCase))).Build();
        foreach (var value in rest.GetChildren())
        {
            // The binder passes over what does not fit in a dictionary.
            if (typeof(T).GetProperties().First(p => p.Name.Equals(value.Key, StringComparison.OrdinalIgnoreCase)).PropertyType is { IsGenericType: true } dictionary && dictionary.GetGenericArguments()[^1] is { IsEnum: true } choice
                && value.GetChildren().FirstOrDefault(c => !Enum.TryParse(choice, c.Value, ignoreCase: true, out _)) is { } wrong)
                throw new OutboxConfigurationException($"{section.Path}:{value.Key}:{wrong.Key} is '{wrong.Value}'. Use one of {string.Join(", ", Enum.GetNames(choice))}.");
            try
            {
                new ConfigurationBuilder().AddInMemoryCollection(value.AsEnumerable()).Build().Bind(options);
            }
            catch (InvalidOperationException exception)
            {
                var type = typeof(T).GetProperties().First(p => p.Name.Equals(value.Key, StringComparison.OrdinalIgnoreCase)).PropertyType;
                var valid = type == typeof(TimeSpan) ? "a time such as 00:00:05" : type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}" : "a whole number";
                throw new OutboxConfigurationException($"{section.Path}:{value.Key} is '{value.Value}'. Use {valid}.", exception);
            }
        }
        return options;
    }

    /// <summary>A list: of values, or as one text with commas, as an environment variable has it.</summary>
    internal static IEnumerable<string> ListOf(IConfigurationSection section) => section.Value is { } text
        ? text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        : section.GetChildren().Select(c => c.Value).OfType<string>();

    /// <summary>Refuses a key that nobody reads: it is a mistake in writing.</summary>
    internal static void RefuseUnknown(IConfigurationSection section, params string[] known)
    {
        var unknown = section.GetChildren().FirstOrDefault(c => !known.Contains(c.Key, StringComparer.OrdinalIgnoreCase));
        if (unknown is not null)
            throw new OutboxConfigurationException($"{unknown.Path} is no known setting. {section.Path} can hold: {string.Join(", ", known)}.");
    }

    private static OutboxConfigurationException Unreadable(Exception exception)
    {
        var cause = exception.GetBaseException().Message;
        if (DuplicateKey().Match(cause) is { Success: true } duplicate)
        {
            var key = duplicate.Groups[1].Value;
            return SourceKey().Match(key) is { Success: true } source
                ? new OutboxConfigurationException($"Broker:Sources: two sources are named '{source.Groups[1].Value}'. Each source needs a name of its own.", exception)
                : new OutboxConfigurationException($"The configuration holds '{key}' twice. Remove one of them.", exception);
        }
        return new OutboxConfigurationException($"{exception.Message.TrimEnd('.')}: {cause}", exception);
    }

    [GeneratedRegex("^[a-z0-9]+([.-][a-z0-9]+)*$")]
    private static partial Regex SourceName();

    [GeneratedRegex("duplicate key '([^']+)'")]
    private static partial Regex DuplicateKey();

    [GeneratedRegex("^Broker:Sources:([^:]+)", RegexOptions.IgnoreCase)]
    private static partial Regex SourceKey();
}

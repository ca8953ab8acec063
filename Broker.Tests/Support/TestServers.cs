using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using RabbitMQ.Client;

namespace Broker.Tests.Support;

/// <summary>The servers of a run: a PostgreSQL database and a RabbitMQ virtual host of its own, made when first asked for and removed at its end.</summary>
internal static class TestServers
{
    private static readonly string Run = Guid.CreateVersion7().ToString("N")[^12..];
    private static readonly Lazy<Task<string>> Database = new(CreateDatabaseAsync);
    private static readonly Lazy<Task<(string Uri, bool IsOwn)>> VirtualHost = new(CreateVirtualHostAsync);
    private static readonly ConcurrentQueue<string> Names = new();
    private static readonly ConcurrentQueue<string> Users = new();
    private static int _number;

    /// <summary>Connection string of the run's own PostgreSQL database. Skips the test when there is no server; on CI that is a failure.</summary>
    public static Task<string> PostgreSqlAsync()
    {
        Require("BROKER_TEST_POSTGRES", "PostgreSQL");
        return Database.Value;
    }

    /// <summary>Connection string of the MariaDB server. Skips the test when there is none; on CI that is a failure.</summary>
    public static string MariaDb()
    {
        Require("BROKER_TEST_MARIADB", "MariaDB");
        return Variable("BROKER_TEST_MARIADB")!;
    }

    /// <summary>Address of the Redis server. Skips the test when there is none; on CI that is a failure.</summary>
    public static string Redis()
    {
        Require("BROKER_TEST_REDIS", "Redis");
        return Variable("BROKER_TEST_REDIS")!;
    }

    /// <summary>Endpoints of the etcd cluster. Skips the test when there is none; on CI that is a failure.</summary>
    public static string[] Etcd()
    {
        Require("BROKER_TEST_ETCD", "etcd");
        return Variable("BROKER_TEST_ETCD")!.Split(',');
    }

    /// <summary>Connection string of the SQL Server. Skips the test when there is none, on CI too: not every machine can have one.</summary>
    public static string SqlServer()
    {
        if (Variable("BROKER_TEST_SQLSERVER") is { } server)
            return server;
        Assert.Ignore("This test needs SQL Server: BROKER_TEST_SQLSERVER holds no connection string. docker/compose.yaml brings one.");
        return "";
    }

    /// <summary>URI of the run's own RabbitMQ virtual host. Skips the test when there is no server; on CI that is a failure.</summary>
    public static async Task<string> RabbitMqAsync()
    {
        Require("BROKER_TEST_RABBITMQ", "RabbitMQ");
        return (await VirtualHost.Value).Uri;
    }

    /// <summary>URI for a user of the run's own virtual host who may configure, write and read only what the pattern matches. Skips the test when the server is not our own.</summary>
    public static async Task<string> RestrictedUserAsync(string rights)
    {
        var uri = await RabbitMqAsync();
        if (Variable("BROKER_SERVERS") is not { } servers || !(await VirtualHost.Value).IsOwn)
        {
            Assert.Ignore("This test makes a user on RabbitMQ, which it may only on the servers of docker/servers.sh.");
            return "";
        }
        var user = NewName("user");
        Start("bash", servers, "ctl", "add_user", user, user);
        Start("bash", servers, "ctl", "set_permissions", "-p", VirtualHostName, user, $"^{rights}$", $"^{rights}$", $"^{rights}$");
        Users.Enqueue(user);
        return new UriBuilder(uri) { UserName = user, Password = user }.Uri.ToString();
    }

    /// <summary>Tells RabbitMQ's connections of one user of <see cref="RestrictedUserAsync"/>, and nobody else's, that its disk is full, or that it has room again.</summary>
    public static void Alarm(string uri, bool isFull)
    {
        var user = new Uri(uri).UserInfo.Split(':')[0];
        var (code, output) = Start("bash", Variable("BROKER_SERVERS")!, "ctl", "eval",
            $"[C ! {{conserve_resources, disk, {(isFull ? "true" : "false")}}} || C <- rabbit_networking:connections_local(), proplists:get_value(user, rabbit_networking:connection_info(C, [user])) =:= <<\"{user}\">>].");
        Assert.That((code, output.Contains("conserve_resources", StringComparison.Ordinal)), Is.EqualTo((0, true)), output);
    }

    /// <summary>Interpreter for a client in another language. Skips the test when it cannot import pika; on CI that is a failure.</summary>
    public static string PythonWithPika() => Python("pika", "python3-pika");

    /// <summary>Debian's Python, with a module of a package if one is named. Skips the test when there is none; on CI that is a failure.</summary>
    public static string Python(string? module = null, string package = "python3")
    {
        const string python = "/usr/bin/python3";
        if (!File.Exists(python) || (module is not null && Start(python, "-c", $"import {module}").Code != 0))
            Missing($"This test needs Debian's {package}; ./test.sh installs it.");
        return python;
    }

    /// <summary>A program that a test starts: an engine's command-line client, a tool of Prometheus. Skips the test when it is not on the path; on CI that is a failure.</summary>
    public static string Client(string program)
    {
        if (!IsOnPath(program))
            Missing($"This test needs the program {program}; ./test.sh installs it.");
        return program;
    }

    /// <summary>Docker's Compose: the plugin, or the one in Python. Neither needs a daemon to read a file. Skips the test when there is none; on CI that is a failure.</summary>
    public static (string Program, string[] Arguments) Compose()
    {
        if (IsOnPath("docker") && Start("docker", "compose", "version").Code == 0)
            return ("docker", ["compose"]);
        if (!IsOnPath("docker-compose"))
            Missing("This test needs Docker's Compose, or Debian's docker-compose, which ./test.sh installs.");
        return ("docker-compose", []);
    }

    /// <summary>The browser: Debian's, or the one that GitHub's machines have. Skips the test when there is none; on CI that is a failure.</summary>
    public static string Chromium()
    {
        string[] programs = ["/usr/bin/chromium", "/usr/bin/google-chrome"];
        if (programs.FirstOrDefault(File.Exists) is { } program)
            return program;
        Missing("This test needs Debian's chromium; ./test.sh installs it.");
        return "";
    }

    /// <summary>The folder of the run's SQLite files.</summary>
    public static string Folder => Directory.CreateTempSubdirectory($"broker-tests-{Run}-").FullName;

    /// <summary>A name that nothing else of this run or of another has: for queues, exchanges, schemas.</summary>
    public static string NewName(string what)
    {
        var name = $"{what}-{Run}-{Interlocked.Increment(ref _number)}";
        Names.Enqueue(name);
        return name;
    }

    /// <summary>Removes what the run made on the servers.</summary>
    public static async Task RemoveAsync()
    {
        await TestSqlServer.RemoveAsync();
        if (Database.IsValueCreated && Database.Value.IsCompletedSuccessfully)
        {
            NpgsqlConnection.ClearAllPools();
            await ExecuteAsync($"DROP DATABASE IF EXISTS {DatabaseName} WITH (FORCE)");
        }
        if (VirtualHost.IsValueCreated && VirtualHost.Value.IsCompletedSuccessfully)
        {
            var (uri, isOwn) = await VirtualHost.Value;
            foreach (var user in Users)
                Start("bash", Variable("BROKER_SERVERS")!, "ctl", "delete_user", user);
            if (isOwn)
                Start("bash", Variable("BROKER_SERVERS")!, "ctl", "delete_vhost", VirtualHostName);
            else
                await RemoveNamesAsync(uri);
        }
    }

    private static string DatabaseName => $"broker_test_{Run}";

    private static string VirtualHostName => $"broker-test-{Run}";

    private static async Task<string> CreateDatabaseAsync()
    {
        await ExecuteAsync($"CREATE DATABASE {DatabaseName}");
        return new NpgsqlConnectionStringBuilder(Variable("BROKER_TEST_POSTGRES")!) { Database = DatabaseName }.ConnectionString;
    }

    private static async Task ExecuteAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(Variable("BROKER_TEST_POSTGRES")!);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<(string Uri, bool IsOwn)> CreateVirtualHostAsync()
    {
        var uri = Variable("BROKER_TEST_RABBITMQ")!;
        // Without our own servers the names of this run have to be enough to keep it apart from others.
        if (Variable("BROKER_SERVERS") is not { } servers || Start("bash", servers, "ctl", "add_vhost", VirtualHostName).Code != 0)
            return (uri, false);
        var user = Uri.UnescapeDataString(new Uri(uri).UserInfo.Split(':')[0]);
        Start("bash", servers, "ctl", "set_permissions", "-p", VirtualHostName, user.Length > 0 ? user : "guest", ".*", ".*", ".*");
        var own = new UriBuilder(uri) { Path = VirtualHostName }.Uri.ToString();
        try
        {
            await using var connection = await new ConnectionFactory { Uri = new Uri(own) }.CreateConnectionAsync();
            return (own, true);
        }
        catch (RabbitMQ.Client.Exceptions.BrokerUnreachableException)
        {
            // The URI is of another server than ours.
            Start("bash", servers, "ctl", "delete_vhost", VirtualHostName);
            return (uri, false);
        }
    }

    private static async Task RemoveNamesAsync(string uri)
    {
        await using var broker = await TestBroker.ConnectAsync(uri);
        foreach (var name in Names)
        {
            await broker.DeleteQueueAsync(name);
            await broker.DeleteQueueAsync(name + ".dead");
            await broker.DeleteExchangeAsync(name);
        }
    }

    private static void Require(string variable, string server)
    {
        if (Variable(variable) is null)
            Missing($"This test needs {server}: {variable} is not set. Run the tests by ./test.sh, which starts it, or: eval \"$(docker/servers.sh env)\".");
    }

    private static void Missing(string message)
    {
        // A run on CI that silently left out half of the tests would look green.
        if (Variable("CI") == "true")
            Assert.Fail(message);
        Assert.Ignore(message);
    }

    private static bool IsOnPath(string program) => (Variable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    /// <summary>Runs a program to its end.</summary>
    public static (int Code, string Output) Start(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.GetAwaiter().GetResult());
    }
}

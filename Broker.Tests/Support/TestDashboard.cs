using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Dashboard.Security;
using Broker.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Broker.Tests.Support;

/// <summary>A dashboard in this process, as <c>broker run --roles dashboard</c> serves it, on a port of its own.</summary>
internal sealed partial class TestDashboard : IAsyncDisposable
{
    /// <summary>The password of both users.</summary>
    public const string Password = "correct horse battery staple";

    private static readonly Lazy<string> Hash = new(() => PasswordHash.Of(Password));

    private readonly IHost _host;

    private TestDashboard(IHost host) => _host = host;

    /// <summary>The application.</summary>
    public IHost Host => _host;

    public IServiceProvider Services => _host.Services;

    /// <summary>Where it listens, such as <c>http://127.0.0.1:40123</c>.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The users <c>ada</c>, an operator, and <c>bob</c>, who only looks.</summary>
    public static Dictionary<string, string?> Users => new()
    {
        ["Broker:Dashboard:Users:ada:PasswordHash"] = Hash.Value,
        ["Broker:Dashboard:Users:ada:Role"] = "Operator",
        ["Broker:Dashboard:Users:bob:PasswordHash"] = Hash.Value,
        ["Broker:Dashboard:Users:bob:Role"] = "ReadOnly",
    };

    /// <summary>Starts one over databases, each a source.</summary>
    /// <param name="databases">The sources by their names.</param>
    /// <param name="more">More of the configuration; null: <see cref="Users"/>.</param>
    /// <param name="roles">Its roles.</param>
    public static async Task<TestDashboard> StartAsync(IReadOnlyDictionary<string, TestDatabase> databases, IReadOnlyDictionary<string, string?>? more = null, string roles = "dashboard")
    {
        var values = new Dictionary<string, string?>(more ?? Users) { ["Broker:Http:Urls"] = "http://127.0.0.1:0" };
        foreach (var (name, database) in databases)
            (values[$"Broker:Sources:{name}:Database"], values[$"Broker:Sources:{name}:ConnectionString"]) = (database.Dialect.Name, database.ConnectionString);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
        var hosting = HostConfiguration.Read(configuration, roles, urls: null);
        var settings = BrokerConfiguration.Read(configuration, needsRabbitMq: hosting.Roles.HasFlag(WorkerRoles.Relay));
        var host = WorkerHost.Build(configuration, settings, hosting, file: null, ConfigurationReload.ContentsOf(null));
        await host.StartAsync();
        return new TestDashboard(host) { Url = host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() };
    }

    /// <summary>A browser of somebody: it keeps cookies and follows no redirect.</summary>
    /// <param name="user">Their name; null: somebody unknown.</param>
    /// <param name="password">Their password.</param>
    public HttpClient Browser(string? user = "ada", string password = Password) => Browser(new Uri(Url), user, password);

    /// <summary>A browser at any worker.</summary>
    public static HttpClient Browser(Uri address, string? user = "ada", string password = Password)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = address };
        if (user is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
        return client;
    }

    /// <summary>Reads a page as a browser would, and keeps its antiforgery token for the requests that follow.</summary>
    public static async Task TakeTokenAsync(HttpClient browser)
    {
        var page = await browser.GetStringAsync("/dashboard/broker");
        browser.DefaultRequestHeaders.Add("RequestVerificationToken", Token().Match(page).Groups[1].Value);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        // Hangfire keeps the log of the last host of a process, and this one's is gone.
        Hangfire.Logging.LogProvider.SetCurrentLogProvider(null);
    }

    [GeneratedRegex("name=\"csrf-token\" content=\"([^\"]+)\"")]
    private static partial Regex Token();
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Tests.Support;

/// <summary>A service in this process, with its log in the test's output.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly IHost _host;
    private bool _started;

    private TestHost(IHost host, TestLog log) => (_host, Log) = (host, log);

    public IServiceProvider Services => _host.Services;

    public TestLog Log { get; }

    /// <summary>Builds a service without starting it: enough to write events.</summary>
    public static TestHost Build(Action<IServiceCollection> configure)
    {
        var log = new TestLog();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddFilter("Microsoft", LogLevel.Warning).AddProvider(log);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(10));
        configure(builder.Services);
        return new TestHost(builder.Build(), log);
    }

    /// <summary>Builds and starts a service. Its consumers subscribe in the background: see <see cref="ConsumerStartedAsync"/>.</summary>
    public static async Task<TestHost> StartAsync(Action<IServiceCollection> configure)
    {
        var host = Build(configure);
        await host.StartAsync();
        return host;
    }

    public Task StartAsync()
    {
        _started = true;
        return _host.StartAsync();
    }

    /// <summary>Completes when a consumer reads its queue, so that what is published from now on reaches it.</summary>
    public Task ConsumerStartedAsync(string consumer) => Log.FirstAsync($"Consumer '{consumer}' reads queue");

    public async Task StopAsync()
    {
        if (!_started)
            return;
        _started = false;
        await _host.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}

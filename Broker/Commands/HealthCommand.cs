using System.CommandLine;
using Broker.Hosting;
using Outbox;

namespace Broker.Commands;

/// <summary><c>broker health</c>: asks a worker how it is. For a container without a shell or a client of its own.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        var config = CommonOptions.Config();
        var url = new Option<string?>("--url") { Description = "What is asked. Default: /health/ready at the worker's first address (Broker:Http:Urls), on this machine.", HelpName = "url" };
        var live = new Option<bool>("--live") { Description = "Only whether the process answers: /health/live." };
        var command = new Command("health", "Ask the worker on this machine how it is, and say it by the exit code: 0 when it is ready. This is the health check of the container image.") { config, url, live };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var wanted = parsed.GetValue(url) ?? Own(HostConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(config)), null, null), parsed.GetValue(live) ? "/health/live" : "/health/ready");
            if (!Uri.TryCreate(wanted, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                throw new OutboxConfigurationException($"--url is '{wanted}', which is no address. It looks like '{HostSettings.DefaultUrl}/health/ready'.");
            return await AskAsync(uri, cancellationToken);
        }));
        return command;
    }

    /// <summary>The worker's own address; from this machine all of its addresses are one.</summary>
    private static string Own(HostSettings settings, string path)
    {
        if (settings.Urls is not [var first, ..])
            throw new OutboxConfigurationException($"The worker listens nowhere: it has no role 'dashboard' and no Broker:Http:Urls. Set it, for example to '{HostSettings.DefaultUrl}', or give --url.");
        var local = first.Replace("://*", "://localhost", StringComparison.Ordinal).Replace("://+", "://localhost", StringComparison.Ordinal).Replace("://0.0.0.0", "://localhost", StringComparison.Ordinal).Replace("://[::]", "://localhost", StringComparison.Ordinal);
        return local.TrimEnd('/') + path;
    }

    private static async Task<int> AskAsync(Uri uri, CancellationToken cancellationToken)
    {
        // No proxy: it is this machine.
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { Timeout = Patience };
        try
        {
            using var response = await client.GetAsync(uri, cancellationToken);
            var text = Output.Safe(await response.Content.ReadAsStringAsync(cancellationToken), keepsLines: true).Trim();
            if (response.IsSuccessStatusCode)
            {
                Console.WriteLine(text.Length > 0 ? text : "healthy");
                return ExitCodes.Ok;
            }
            await Console.Error.WriteLineAsync($"broker: {uri} answers {(int)response.StatusCode}: {text}");
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            await Console.Error.WriteLineAsync($"broker: {uri} does not answer: {(exception is HttpRequestException ? exception.Message : "no answer within 5 s")}");
        }
        return ExitCodes.Failed;
    }
}

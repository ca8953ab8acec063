using System.CommandLine;
using System.Data.Common;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox;
using Outbox.RabbitMQ;

namespace Shop.Hosting;

/// <summary><c>shop service</c>: one service in a process of its own, started by the conductor. Its events are left to the worker.</summary>
internal static class ServiceCommand
{
    public static Command Create()
    {
        var service = new Argument<string>("name") { Description = "orders, stock or customers." };
        service.AcceptOnlyFromAmong("orders", "stock", "customers");
        // A file, because a command line can be read by everyone on the machine and settings hold passwords.
        var settings = new Option<FileInfo>("--settings") { Description = "Its settings, as JSON.", Required = true };
        var command = new Command("service", "Run one service until SIGTERM, or until standard input ends.") { service, settings };
        command.Hidden = true;
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetRequiredValue(service), parsed.GetRequiredValue(settings), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string service, FileInfo file, CancellationToken cancellationToken)
    {
        var settings = JsonSerializer.Deserialize<ServiceSettings>(await File.ReadAllTextAsync(file.FullName, cancellationToken))!;
        if (settings.Service != service)
            throw new ArgumentException($"{file.FullName} holds the settings of '{settings.Service}', not of '{service}'.");
        try
        {
            using var host = await ServiceHost.CreateAsync(
                settings, outbox => outbox.UseRabbitMq(settings.RabbitMq!, rabbitMq => rabbitMq.ClientName = $"shop {service}"), LogLevel.Information, cancellationToken);
            _ = StopWhenInputEndsAsync(host.Services.GetRequiredService<IHostApplicationLifetime>());
            await host.RunAsync(cancellationToken);
            return 0;
        }
        catch (Exception exception) when (exception.GetBaseException() is OutboxConfigurationException or DbException or SocketException)
        {
            await Console.Error.WriteLineAsync($"{service}: {exception.Message} {exception.GetBaseException().Message}");
            return 1;
        }
    }

    /// <summary>The conductor holds the other end: if it dies, however suddenly, its services follow.</summary>
    private static async Task StopWhenInputEndsAsync(IHostApplicationLifetime lifetime)
    {
        await Console.OpenStandardInput().CopyToAsync(Stream.Null, CancellationToken.None);
        lifetime.StopApplication();
    }
}

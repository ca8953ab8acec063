using System.CommandLine;
using Broker.Dashboard.Security;
using Outbox;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker dashboard hash-password</c>: makes what the configuration keeps of a password.</summary>
internal static class DashboardCommand
{
    private const int Shortest = 12;

    public static Command Create()
    {
        var hash = new Command("hash-password", "Hash a password for Broker:Dashboard:Users:<name>:PasswordHash. It is asked for, or read as one line from standard input.");
        hash.SetAction((_, cancellationToken) => CommonOptions.GuardAsync(() => HashAsync(cancellationToken)));
        return new Command("dashboard", "Work on the dashboard's users.") { hash };
    }

    private static async Task<int> HashAsync(CancellationToken cancellationToken)
    {
        var password = Console.IsInputRedirected
            ? await Console.In.ReadLineAsync(cancellationToken) ?? ""
            : await AnsiConsole.PromptAsync(new TextPrompt<string>("Password:").Secret(null), cancellationToken);
        if (password.Length < Shortest)
            throw new OutboxConfigurationException($"The password has {password.Length} characters. Use {Shortest} or more: everyone who reaches the dashboard's port may try it.");
        await Console.Out.WriteLineAsync(PasswordHash.Of(password));
        return ExitCodes.Ok;
    }
}

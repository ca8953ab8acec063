using System.CommandLine;
using System.Globalization;
using System.Text;
using Broker.Commands;
using Broker.Tests.Support;

namespace Broker.Tests.Docs;

/// <summary>docs/cli.md says what the program says of itself.</summary>
internal sealed class CommandReferenceTests
{
    private const string Begin = "<!-- from here on as the program says it -->\n";

    private static IEnumerable<Command> Commands => All(CommandLine.Create());

    [Test]
    public void The_reference_names_every_command_option_and_exit_code()
    {
        var page = new MarkdownPage("docs/cli.md").Text;
        var start = page.IndexOf(Begin, StringComparison.Ordinal);
        Assert.That(start, Is.GreaterThan(0));
        Directory.CreateDirectory(Path.Combine(Approved.Root, "artifacts", "received"));
        var received = Path.Combine(Approved.Root, "artifacts", "received", "cli.md");
        var expected = page[..start] + Begin + Reference();
        File.WriteAllText(received, expected);

        Assert.That(page, Is.EqualTo(expected), "docs/cli.md differs from what the commands say. Read artifacts/received/cli.md, then: cp artifacts/received/cli.md docs/cli.md");
    }

    [Test]
    public void Every_command_shows_an_example_in_its_help()
    {
        Assert.That(Commands.Select(CommandLine.PathOf), Is.EquivalentTo(Examples.Commands));
        foreach (var command in Commands)
        {
            var arguments = CommandLine.PathOf(command).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            using var output = new StringWriter();
            Assert.That(CommandLine.Create().Parse([.. arguments, "--help"]).Invoke(new InvocationConfiguration { Output = output }), Is.Zero);
            foreach (var example in Examples.Of(CommandLine.PathOf(command)))
                Assert.That(output.ToString(), Does.Contain($"  {example}\n"));
            Assert.That(output.ToString(), Does.Contain("Exit codes:").And.Contain($"Usage:\n  {string.Join(' ', ["broker", .. arguments])}"));
        }
    }

    [Test]
    public void Every_example_is_a_command_line_that_the_program_takes()
    {
        foreach (var example in Commands.SelectMany(c => Examples.Of(CommandLine.PathOf(c))))
        {
            // What a shell takes away.
            var line = example[example.IndexOf("broker ", StringComparison.Ordinal)..].Split(" | ")[0].Split(" > ")[0].Split(" < ")[0];
            var quoted = line.Split('\'').SelectMany((part, i) => i % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Assert.That(CommandLine.Create().Parse([.. quoted.Skip(1)]).Errors.Select(e => e.Message), Is.Empty, example);
        }
    }

    private static string Reference()
    {
        var text = new StringBuilder();
        foreach (var command in Commands.Where(c => c is not RootCommand))
        {
            var path = CommandLine.PathOf(command);
            text.Append(CultureInfo.InvariantCulture, $"\n{(path.Contains(' ', StringComparison.Ordinal) ? "###" : "##")} broker {path}\n\n{command.Description}\n\n```text\n{string.Join('\n', Examples.Of(path))}\n```\n");
            var rows = command.Arguments.Select(a => ($"`<{a.Name}>`", a.Description))
                .Concat(command.Options.Where(o => !o.Hidden).Select(o => ($"`{string.Join("`, `", new[] { o.Name }.Concat(o.Aliases))}`{(o.HelpName is { } value ? $" {Cell($"<{value}>")}" : "")}{(o.Required ? ", required" : "")}", o.Description))).ToList();
            if (rows.Count > 0)
                text.Append(CultureInfo.InvariantCulture, $"\n| | |\n|---|---|\n{string.Concat(rows.Select(r => $"| {r.Item1} | {Cell(r.Description ?? "")} |\n"))}");
        }
        text.Append(CultureInfo.InvariantCulture, $"\n## Exit codes\n\n| Code | Means |\n|---|---|\n{string.Concat(ExitCodes.All.Select(e => $"| {e.Code} | {e.Meaning} |\n"))}");
        return text.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static IEnumerable<Command> All(Command command) => command.Subcommands.Where(c => !c.Hidden).SelectMany(All).Prepend(command);
}

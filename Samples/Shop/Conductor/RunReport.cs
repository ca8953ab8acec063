using System.Globalization;
using Spectre.Console;

namespace Shop.Conductor;

/// <summary>The convergence table and the verdict.</summary>
internal sealed record RunReport(Convergence Convergence, long Copies, long Duplicates, int RepeatedOrders, TimeSpan Duration)
{
    /// <summary>Prints the report and returns the exit code.</summary>
    public int Print()
    {
        var table = new Table { Title = new TableTitle("Convergence"), ShowRowSeparators = true };
        table.AddColumns("", "where", "").AddColumn("");
        table.Columns[2].RightAligned();
        foreach (var check in Convergence.Checks)
        {
            table.AddRow(
                check.Of,
                string.Join('\n', check.Sides.Select(s => s.Place)),
                string.Join('\n', check.Sides.Select(s => Number(s.Value))),
                check.AreEqual ? "[green]equal[/]" : "[red]differ[/]");
        }
        AnsiConsole.Write(table);

        var facts = new Grid().AddColumns(2);
        facts.AddRow("orders sent again by their clients", Number(RepeatedOrders));
        facts.AddRow("copies that travelled twice", $"{Number(Copies)} [grey](seen by the tap)[/]");
        facts.AddRow("duplicates suppressed by the inboxes", Number(Duplicates));
        facts.AddRow("events", string.Create(CultureInfo.InvariantCulture,
            $"{Convergence.Events:N0} in {Duration.TotalSeconds:0.0} s, {Convergence.Events / Duration.TotalSeconds:N0} a second"));
        AnsiConsole.Write(facts);
        AnsiConsole.WriteLine();

        if (Convergence.IsReached)
        {
            AnsiConsole.MarkupLine("[green]CONVERGED[/]");
            return 0;
        }
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[red]NOT CONVERGED: {string.Join("; ", Convergence.Checks.SelectMany(c => c.Differences))}[/]");
        return 1;
    }

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}

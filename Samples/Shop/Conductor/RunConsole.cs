using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace Shop.Conductor;

/// <summary>What the run says while it runs: a moving line on a terminal, a line now and then in a log.</summary>
internal sealed class RunConsole
{
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(2);

    private readonly Stopwatch _time = Stopwatch.StartNew();
    private readonly bool _isTerminal = AnsiConsole.Profile.Capabilities.Interactive;
    private StatusContext? _status;
    private TimeSpan _nextLine;
    private string _lastLine = "";

    public RunConsole()
    {
        if (!_isTerminal)
            // Nobody wraps a log, and its last line is for programs.
            AnsiConsole.Profile.Width = 1_000;
    }

    /// <summary>Shows progress during some work.</summary>
    public Task<T> DuringAsync<T>(Func<Task<T>> work) => !_isTerminal
        ? work()
        : AnsiConsole.Status().StartAsync("starting…", context =>
        {
            _status = context;
            return work();
        });

    /// <summary>Something happened that stays on the screen.</summary>
    public void Event(FormattableString text) => Line(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Where the run is just now.</summary>
    public void Progress(FormattableString text)
    {
        var line = text.ToString(CultureInfo.InvariantCulture);
        if (_status is not null)
        {
            _status.Status = Markup.Escape(line);
            return;
        }
        if (_time.Elapsed < _nextLine || line == _lastLine)
            return;
        (_nextLine, _lastLine) = (_time.Elapsed + LogInterval, line);
        Line(line);
    }

    private void Line(string text) => AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{_time.Elapsed.TotalSeconds,6:0.0} s[/]  {text}");
}

using Microsoft.Extensions.Logging;

namespace Broker.Tests.Support;

/// <summary>Keeps what is logged, writes it to the test's output, and lets tests wait for a line.</summary>
internal sealed class TestLog : ILoggerProvider, ILoggerFactory
{
    private readonly TextWriter _output = TestContext.Out;
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];
    private readonly List<(Func<Entry, bool> IsWanted, TaskCompletionSource<Entry> Found)> _waiting = [];

    internal sealed record Entry(LogLevel Level, int Id, string Category, string Message, Exception? Exception);

    public IReadOnlyList<Entry> Entries
    {
        get
        {
            lock (_lock)
                return [.. _entries];
        }
    }

    /// <summary>The first line, past or to come, that <paramref name="isWanted"/> picks.</summary>
    public Task<Entry> FirstAsync(Func<Entry, bool> isWanted, TimeSpan? within = null)
    {
        lock (_lock)
        {
            if (_entries.FirstOrDefault(isWanted) is { } entry)
                return Task.FromResult(entry);
            var found = new TaskCompletionSource<Entry>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((isWanted, found));
            return found.Task.WaitAsync(within ?? TimeSpan.FromSeconds(60));
        }
    }

    /// <summary>The first line, past or to come, that contains <paramref name="text"/>.</summary>
    public Task<Entry> FirstAsync(string text, TimeSpan? within = null) => FirstAsync(e => e.Message.Contains(text, StringComparison.Ordinal), within);

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private void Add(Entry entry)
    {
        lock (_lock)
        {
            _entries.Add(entry);
            if (entry.Level >= LogLevel.Information)
                _output.WriteLine($"{entry.Level.ToString()[..4]} {entry.Category.Split('.')[^1]}: {entry.Message}{(entry.Exception is null ? "" : Environment.NewLine + entry.Exception)}");
            foreach (var waiting in _waiting.Where(w => w.IsWanted(entry)).ToList())
            {
                _waiting.Remove(waiting);
                waiting.Found.TrySetResult(entry);
            }
        }
    }

    private sealed class Logger(TestLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                log.Add(new Entry(logLevel, eventId.Id, category, formatter(state, exception), exception));
        }
    }
}

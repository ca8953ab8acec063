using System.CommandLine;

namespace Broker.Bench;

/// <summary>How often all kinds of runs are repeated in turn.</summary>
/// <param name="Count">Rounds that count, numbered from 1.</param>
/// <param name="WarmUp">Rounds before them that warm the servers and do not count.</param>
internal sealed record Rounds(int Count, int WarmUp)
{
    public int First => 1 - WarmUp;

    public int All => Count + WarmUp;

    /// <summary>What a run is called while it goes on.</summary>
    public string NameOf(int round, string what) => round < 1 ? $"warm-up: {what}" : $"round {round} of {Count}: {what}";

    /// <summary>The options that choose them.</summary>
    public sealed class Options
    {
        private readonly Option<int> _pairs;
        private readonly Option<int> _warmUp;

        public Options(int pairs = 5)
        {
            _pairs = BenchOptions.Number("--pairs", "Rounds of runs, each kind in turn.", pairs);
            _warmUp = BenchOptions.Number("--warm-up", "Rounds before them that warm the servers and do not count.", 1, least: 0);
        }

        public Option[] All => [_pairs, _warmUp];

        public Rounds Of(ParseResult parsed) => new(parsed.GetValue(_pairs), parsed.GetValue(_warmUp));
    }
}

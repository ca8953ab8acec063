using Outbox.Inbox;
using Outbox.Sql;

namespace Outbox.Consumers;

/// <content>What one try at a batch knows.</content>
internal sealed partial class MessageProcessor
{
    private enum SavepointState
    {
        None,
        Earlier,
        Here,
    }

    /// <summary>What became of the messages so far.</summary>
    private sealed class Run(ConsumerOptions options, bool isCareful)
    {
        private readonly Dictionary<IncomingMessage, BatchResult> _results = [];
        private readonly HashSet<string> _skippedKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _heldKeys = new(StringComparer.Ordinal);
        private readonly HashSet<long> _rows = [];
        private readonly HashSet<string> _behindKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _riskyKeys = new(StringComparer.Ordinal);
        private readonly HashSet<string> _failedKeys = new(StringComparer.Ordinal);

        public bool IsCareful { get; set; } = isCareful;

        public SavepointState Savepoint { get; set; }

        /// <summary>The name of the latest one.</summary>
        public string SavepointName { get; set; } = SqlDialect.Savepoint;

        public DeferredQueue.HeldRows Held { get; set; } = new();

        public HashSet<string> WaitingKeys { get; set; } = [];

        /// <summary>Where the keys stand whose messages go by numbers.</summary>
        public KeyNumbers Numbers { get; set; } = new();

        /// <summary>Where they will stand if what is to be handled succeeds.</summary>
        public KeyNumbers Planned { get; set; } = new();

        /// <summary>A message that cannot be read: its key does not wait for it.</summary>
        public void PassPlanned(IncomingMessage incoming)
        {
            if (options.NumberOf(incoming) is { } number && Planned.TryGet(incoming, out var planned))
                planned.Pass(number);
        }

        /// <summary>Whether a message may be handled now. They are asked for in their order.</summary>
        public bool MayRun(IncomingMessage incoming)
        {
            if (options.NumberOf(incoming) is { } number && Planned.TryGet(incoming, out var planned))
                return MayRun(incoming, number, planned);
            var key = options.OrderKeyOf(incoming);
            if (incoming.Row is { } row)
            {
                // G3, G4: only who holds the row, and only the first of its key or what follows it here without a gap.
                // A row can have been read twice. The second reading of it is a copy like any other, and must not pass for known because the first has taken its id.
                var isOurs = _rows.Add(row.Id) && Held.IsUnchanged(row) && (key is null || (!_skippedKeys.Contains(key) && (Held.FirstOf(row) == row.Id || _heldKeys.Contains(key))));
                if (!isOurs)
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                if (key is null)
                    return isOurs;
                _ = isOurs ? _heldKeys.Add(key) : _skippedKeys.Add(key);
                if (isOurs && row.Attempts > 0)
                    _riskyKeys.Add(key);
                // With the last one of the key the way is free, unless one of this batch has been told to wait behind it.
                if (isOurs && !Held.IsFollowed(row) && !_behindKeys.Contains(key))
                    WaitingKeys.Remove(key);
                return isOurs;
            }
            if (key is null || !(WaitingKeys.Contains(key) || _skippedKeys.Contains(key)))
                return true;
            // Whatever follows it here has to wait with it.
            WaitingKeys.Add(key);
            _behindKeys.Add(key);
            _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Behind));
            return false;
        }

        private bool MayRun(IncomingMessage incoming, long number, KeyProgress planned)
        {
            // A row can have been read twice, as above.
            if (incoming.Row is { } row && !(_rows.Add(row.Id) && Held.IsUnchanged(row)))
            {
                _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                return false;
            }
            switch (planned.PlaceOf(number))
            {
                case NumberPlace.Known:
                    // Its fellow in this batch may fail yet. Then the row is what keeps the message, and must stay.
                    if (incoming.Row is not null && Numbers.TryGet(incoming, out var real) && real.PlaceOf(number) != NumberPlace.Known)
                        _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                    else
                        Known(incoming);
                    return false;
                case NumberPlace.Passed when incoming.Row is null:
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Dead, CameTooLate(number, planned)));
                    return false;
                case NumberPlace.Ahead when IsPutBack(incoming):
                    // It is handled alone, because what is deferred before it has to be looked for.
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.NotOurs));
                    return false;
                case NumberPlace.Passed when number > planned.Last:
                case NumberPlace.Ahead:
                    _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Behind));
                    return false;
            }
            planned.Apply(number);
            if (incoming.Attempts > 0)
                _riskyKeys.Add(planned.Key);
            return true;
        }

        /// <summary>Whether it has failed before, or follows one of its key that has.</summary>
        public bool IsRisky(IncomingMessage incoming) => incoming.Attempts > 0 || (options.QueueKeyOf(incoming) is { } key && _riskyKeys.Contains(key));

        public bool KeyGoesOn(IncomingMessage incoming) => incoming.Row is { } row && (options.OrderKeyOf(incoming) is not null ? Held.IsFollowed(row) : options.NumberOf(incoming) is not null);

        /// <summary>Whether an earlier message of its key has failed.</summary>
        public bool IsBehind(IncomingMessage incoming) => options.QueueKeyOf(incoming) is { } key && _failedKeys.Contains(key);

        public void Applied(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Applied, KeyGoesOn: KeyGoesOn(incoming)));

        public void Known(IncomingMessage incoming) => _results.Add(incoming, new BatchResult(incoming, BatchOutcome.Known, KeyGoesOn: KeyGoesOn(incoming)));

        public void Failed(BatchResult result)
        {
            _results.Add(result.Incoming, result);
            if (options.QueueKeyOf(result.Incoming) is { } key && !(result.Outcome == BatchOutcome.Dead && IsFinal(result.Error!)))
                _failedKeys.Add(key);
        }

        public bool IsApplied(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome == BatchOutcome.Applied;

        public bool IsKnown(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome == BatchOutcome.Known;

        public bool HasFailed(IncomingMessage incoming) => _results.TryGetValue(incoming, out var result) && result.Outcome is BatchOutcome.Failed or BatchOutcome.Dead;

        /// <summary>Of each, in their order. What has no fate yet waits behind one that failed; what was deferred before and has its place in its key stays as it is.</summary>
        public IReadOnlyList<BatchResult> ResultsOf(IEnumerable<ReadableMessage> messages) =>
            [.. messages.Select(m => _results.GetValueOrDefault(m.Incoming) ?? new BatchResult(m.Incoming, m.Incoming.Row is null || options.NumberOf(m.Incoming) is not null ? BatchOutcome.Behind : BatchOutcome.NotOurs))];
    }
}

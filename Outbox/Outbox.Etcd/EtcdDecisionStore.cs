using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Outbox.Etcd.Protos;
using Outbox.TwoPhaseCommit;

namespace Outbox.Etcd;

/// <summary>Decisions as keys of etcd, each made by a transaction that creates it only where there is none (G9).</summary>
/// <remarks>
/// Beside each decision stands a key under <c>open/</c> until its branches are known to have followed, so that recovery reads those alone. A call that is made again, because its answer was lost, finds what the first one has written.
/// </remarks>
internal sealed class EtcdDecisionStore(EtcdCluster cluster, string coordinator, TimeProvider time) : IDecisionStore, IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    private readonly string _prefix = $"outbox/two-phase/{coordinator}/";

    private sealed record Value(bool Commit, string? Reason, string By, IReadOnlyList<BranchRecord> Branches, DateTime At, string? Outcome = null, DateTime? FinishedAt = null);

    private sealed record Incarnation(int Number, string Origin, string? By = null, string? Reason = null, DateTime? At = null);

    public string Name => "etcd";

    // Not a clock of etcd's, which has none to ask: see DecideInEtcd.
    private DateTime Now => time.GetUtcNow().UtcDateTime;

    public async Task<(string Origin, int Incarnation, DateTime Now)> LookAsync(CancellationToken cancellationToken)
    {
        var incarnation = await IncarnationAsync(cancellationToken).ConfigureAwait(false);
        return (incarnation.Origin, incarnation.Number, Now);
    }

    public async Task RaiseIncarnationAsync(string actor, string reason, CancellationToken cancellationToken)
    {
        for (; ; )
        {
            var key = Key("incarnation");
            var known = await IncarnationAsync(cancellationToken).ConfigureAwait(false);
            var before = Bytes(known);
            var raised = await TransactAsync(
                new TxnRequest { Compare = { new Compare { Key = key, Target = Compare.Types.CompareTarget.Value, Result = Compare.Types.CompareResult.Equal, Value = before } }, Success = { Put(key, Bytes(new Incarnation(known.Number + 1, known.Origin, actor, reason, Now))) } }, cancellationToken).ConfigureAwait(false);
            if (raised.Succeeded)
                return;
            // Another has raised it at this moment: once is enough for both.
            if ((await IncarnationAsync(cancellationToken).ConfigureAwait(false)).Number > known.Number)
                return;
        }
    }

    public async Task<Decision> DecideAsync(Decision proposal, CancellationToken cancellationToken)
    {
        var key = Key($"decisions/{proposal.Id}");
        var value = Bytes(new Value(proposal.IsCommit, proposal.Reason, proposal.DecidedBy, proposal.Branches, Now));
        var answer = await TransactAsync(
            new TxnRequest
            {
                Compare = { new Compare { Key = key, Target = Compare.Types.CompareTarget.Create, Result = Compare.Types.CompareResult.Equal, CreateRevision = 0 } },
                Success = { Put(key, value), Put(Key($"open/{proposal.Id}"), ByteString.Empty) },
                Failure = { new RequestOp { RequestRange = new RangeRequest { Key = key } } },
            },
            cancellationToken).ConfigureAwait(false);
        return answer.Succeeded ? proposal : Read(proposal.Id, answer.Responses[0].ResponseRange.Kvs[0].Value);
    }

    public async Task<Decision?> FindAsync(TransactionId id, CancellationToken cancellationToken) =>
        (await RangeAsync(new RangeRequest { Key = Key($"decisions/{id}") }, cancellationToken).ConfigureAwait(false)) is [var found] ? Read(id, found.Value) : null;

    public async Task<IReadOnlyList<Decision>> ListUnfinishedAsync(TimeSpan age, int limit, CancellationToken cancellationToken)
    {
        var before = Now - age;
        var found = new List<Decision>();
        foreach (var open in await ListAsync("open/", limit, cancellationToken).ConfigureAwait(false))
        {
            if (IdOf(open, "open/") is { } id && await FindAsync(id, cancellationToken).ConfigureAwait(false) is { Outcome: null } decision && decision.DecidedAt <= before)
                found.Add(decision);
        }
        return found;
    }

    public async Task<IReadOnlyList<Decision>> ListAsync(bool onlyHeuristic, int limit, CancellationToken cancellationToken) =>
        [.. (await ListAsync("decisions/", 0, cancellationToken).ConfigureAwait(false)).Select(kv => IdOf(kv, "decisions/") is { } id ? Read(id, kv.Value) : null).OfType<Decision>()
            .Where(d => !onlyHeuristic || d.Outcome == Decision.Heuristic).OrderByDescending(d => d.DecidedAt).Take(limit)];

    public async Task FinishAsync(IReadOnlyList<Decision> decisions, CancellationToken cancellationToken)
    {
        // It forgets them by itself, all with one lease.
        var lease = await CallAsync(async (invoker, options) => await new Lease.LeaseClient(invoker).LeaseGrantAsync(new LeaseGrantRequest { TTL = (long)Kept.TotalSeconds }, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        foreach (var decision in decisions)
            await SetAsync(decision, decision.Expected, decision.Branches, lease.ID, cancellationToken).ConfigureAwait(false);
    }

    public Task RecordAsync(Decision decision, string outcome, IReadOnlyList<BranchRecord> branches, CancellationToken cancellationToken) => SetAsync(decision, outcome, branches, lease: 0, cancellationToken);

    public Task ForgetAsync(TimeSpan age, CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => cluster.Dispose();

    /// <summary>What all branches followed is the last word; the rest only once: the decision itself is version 1 of its key.</summary>
    private async Task SetAsync(Decision decision, string outcome, IReadOnlyList<BranchRecord> branches, long lease, CancellationToken cancellationToken)
    {
        var key = Key($"decisions/{decision.Id}");
        var at = decision.DecidedAt == default ? Now : decision.DecidedAt;
        await TransactAsync(
            new TxnRequest
            {
                Compare =
                {
                    outcome == decision.Expected
                        ? new Compare { Key = key, Target = Compare.Types.CompareTarget.Create, Result = Compare.Types.CompareResult.Greater, CreateRevision = 0 }
                        : new Compare { Key = key, Target = Compare.Types.CompareTarget.Version, Result = Compare.Types.CompareResult.Equal, Version = 1 },
                },
                Success =
                {
                    new RequestOp { RequestPut = new PutRequest { Key = key, Value = Bytes(new Value(decision.IsCommit, decision.Reason, decision.DecidedBy, branches, at, outcome, Now)), Lease = lease } },
                    new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = Key($"open/{decision.Id}") } },
                },
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<Incarnation> IncarnationAsync(CancellationToken cancellationToken)
    {
        var key = Key("incarnation");
        var first = new Incarnation(1, TransactionId.NewOrigin());
        var answer = await TransactAsync(
            new TxnRequest
            {
                Compare = { new Compare { Key = key, Target = Compare.Types.CompareTarget.Create, Result = Compare.Types.CompareResult.Greater, CreateRevision = 0 } },
                Success = { new RequestOp { RequestRange = new RangeRequest { Key = key } } },
                Failure = { Put(key, Bytes(first)) },
            },
            cancellationToken).ConfigureAwait(false);
        return answer.Succeeded ? JsonSerializer.Deserialize<Incarnation>(answer.Responses[0].ResponseRange.Kvs[0].Value.Span, Json)! : first;
    }

    private Task<TxnResponse> TransactAsync(TxnRequest request, CancellationToken cancellationToken) =>
        CallAsync(async (invoker, options) => await new KV.KVClient(invoker).TxnAsync(request, options).ConfigureAwait(false), cancellationToken);

    /// <summary>What etcd does not answer is an outage like any other, for those who know no etcd.</summary>
    private async Task<T> CallAsync<T>(Func<CallInvoker, CallOptions, Task<T>> callAsync, CancellationToken cancellationToken)
    {
        try
        {
            return await cluster.CallAsync(callAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException exception)
        {
            throw new IOException($"etcd does not answer: {exception.Status.Detail}", exception);
        }
    }

    private async Task<IReadOnlyList<KeyValue>> RangeAsync(RangeRequest request, CancellationToken cancellationToken) =>
        (await CallAsync(async (invoker, options) => await new KV.KVClient(invoker).RangeAsync(request, options).ConfigureAwait(false), cancellationToken).ConfigureAwait(false)).Kvs;

    // Up to, and without, the next prefix: '0' follows '/'.
    private Task<IReadOnlyList<KeyValue>> ListAsync(string from, int limit, CancellationToken cancellationToken) =>
        RangeAsync(new RangeRequest { Key = Key(from), RangeEnd = Key(from[..^1] + "0"), Limit = limit }, cancellationToken);

    private TransactionId? IdOf(KeyValue found, string below) => TransactionId.TryParse(found.Key.ToStringUtf8()[(_prefix.Length + below.Length)..], out var id) ? id : null;

    private static Decision Read(TransactionId id, ByteString text)
    {
        var value = JsonSerializer.Deserialize<Value>(text.Span, Json)!;
        return new Decision(id, value.Commit, value.Reason, value.By, value.Branches, value.At, value.Outcome, value.FinishedAt);
    }

    private ByteString Key(string name) => ByteString.CopyFromUtf8(_prefix + name);

    private static ByteString Bytes<T>(T value) => ByteString.CopyFrom(JsonSerializer.SerializeToUtf8Bytes(value, Json));

    private static RequestOp Put(ByteString key, ByteString value) => new() { RequestPut = new PutRequest { Key = key, Value = value } };
}

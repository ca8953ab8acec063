using System.Data.Common;
using Outbox.TwoPhaseCommit;

namespace Outbox.Sql;

/// <summary>PostgreSQL's prepared transactions.</summary>
internal sealed class PostgreSqlBranches : BranchStatements
{
    public override bool AreOfTheSession => false;

    public override string Prepare(TransactionId id, string branch) => $"PREPARE TRANSACTION '{id.BranchId(branch)}'";

    // PREPARE TRANSACTION of a transaction that has failed succeeds, and rolls back.
    public override string? IsPrepared => "SELECT count(*) FROM pg_prepared_xacts WHERE gid = @gid AND database = current_database()";

    public override string Commit(TransactionId id, string branch) => $"COMMIT PREPARED '{id.BranchId(branch)}'";

    public override string Rollback(TransactionId id, string branch) => $"ROLLBACK PREPARED '{id.BranchId(branch)}'";

    public override string List =>
        $"SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE '{TransactionId.Prefix}%'";

    public override (TransactionId Id, string Branch, double? Seconds)? Read(DbDataReader row) =>
        TransactionId.TryParseBranch(row.GetString(0), out var id, out var branch) ? (id, branch, row.GetDouble(1)) : null;
}

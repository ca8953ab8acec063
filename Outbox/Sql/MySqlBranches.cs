using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Outbox.TwoPhaseCommit;

namespace Outbox.Sql;

/// <summary>XA of MySQL and MariaDB.</summary>
internal sealed class MySqlBranches : BranchStatements
{
    /// <summary>Tells our branches from those of other coordinators at first sight.</summary>
    private const string Format = "20322";

    public override bool AreOfTheSession => true;

    public override string Begin(TransactionId id, string branch) => $"XA START {Xid(id, branch)}";

    public override string? Isolate(IsolationLevel level) => level switch
    {
        IsolationLevel.Unspecified => null,
        IsolationLevel.ReadUncommitted => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        IsolationLevel.ReadCommitted => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        IsolationLevel.RepeatableRead => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        IsolationLevel.Serializable => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        _ => throw new NotSupportedException($"MySQL has no isolation level {level}. Use ReadCommitted, RepeatableRead or Serializable."),
    };

    public override string End(TransactionId id, string branch) => $"XA END {Xid(id, branch)}";

    public override string Prepare(TransactionId id, string branch) => $"XA PREPARE {Xid(id, branch)}";

    public override string Commit(TransactionId id, string branch) => $"XA COMMIT {Xid(id, branch)}";

    public override string Rollback(TransactionId id, string branch) => $"XA ROLLBACK {Xid(id, branch)}";

    public override string List => "XA RECOVER";

    public override (TransactionId Id, string Branch, double? Seconds)? Read(DbDataReader row)
    {
        if (Convert.ToString(row.GetValue(0), CultureInfo.InvariantCulture) != Format)
            return null;
        var length = Convert.ToInt32(row.GetValue(1), CultureInfo.InvariantCulture);
        var data = row.GetValue(3) is byte[] bytes ? Encoding.Latin1.GetString(bytes) : row.GetString(3);
        return data.Length > length && TransactionId.TryParse(data[..length], out var id) && TransactionId.IsName(data[length..], TransactionId.LongestBranch) ? (id, data[length..], null) : null;
    }

    public override string? EndSession => "KILL CONNECTION_ID()";

    private static string Xid(TransactionId id, string branch) => $"'{id}', '{branch}', {Format}";
}

using System.Data;
using Microsoft.Data.SqlClient;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What the driver is told about each value. SQL Server converts much by itself, but no text to bytes; and a size for each length would be a plan for each length.</summary>
internal sealed class SqlServerParametersTests
{
    private static IEnumerable<TestCaseData> Values()
    {
        static TestCaseData Case(string name, object? value, DbType? type, SqlDbType expected, int? size = null) => new TestCaseData(value, type, expected, size).SetArgDisplayNames(name);
        yield return Case("text", "orders.order-placed.v1", null, SqlDbType.NVarChar, 4_000);
        yield return Case("empty text", "", null, SqlDbType.NVarChar, 4_000);
        yield return Case("text of 4,000", new string('x', 4_000), null, SqlDbType.NVarChar, 4_000);
        yield return Case("text of 4,001", new string('x', 4_001), null, SqlDbType.NVarChar, -1);
        yield return Case("text with its type", "k", DbType.String, SqlDbType.NVarChar, 4_000);
        yield return Case("no text", null, DbType.String, SqlDbType.NVarChar);
        yield return Case("bytes", new byte[] { 1, 2 }, null, SqlDbType.VarBinary, -1);
        yield return Case("no bytes at all", Array.Empty<byte>(), null, SqlDbType.VarBinary, -1);
        yield return Case("many bytes", new byte[10_000], null, SqlDbType.VarBinary, -1);
        yield return Case("null bytes", null, DbType.Binary, SqlDbType.VarBinary);
        yield return Case("time", new DateTime(2026, 7, 27, 12, 0, 0, DateTimeKind.Utc), DbType.DateTime, SqlDbType.DateTime2);
        yield return Case("time without its type", new DateTime(2026, 7, 27, 12, 0, 0, DateTimeKind.Utc), null, SqlDbType.DateTime2);
        yield return Case("no time", null, DbType.DateTime, SqlDbType.DateTime2);
        yield return Case("id", Guid.CreateVersion7(), null, SqlDbType.UniqueIdentifier);
        yield return Case("no id", null, DbType.Guid, SqlDbType.UniqueIdentifier);
        yield return Case("number", 7L, null, SqlDbType.BigInt);
        yield return Case("no number", null, DbType.Int64, SqlDbType.BigInt);
        yield return Case("partition", (short)7, null, SqlDbType.SmallInt);
        yield return Case("limit", 7, null, SqlDbType.Int);
        yield return Case("truth", true, null, SqlDbType.Bit);
    }

    [TestCaseSource(nameof(Values))]
    public void A_value_has_the_type_of_its_column(object? value, DbType? type, SqlDbType expected, int? size)
    {
        var parameter = Bound(value, type);

        Assert.That(parameter.SqlDbType, Is.EqualTo(expected));
        Assert.That(parameter.Value, Is.EqualTo(value ?? DBNull.Value));
        if (size is not null)
            Assert.That(parameter.Size, Is.EqualTo(size));
    }

    [Test]
    public void Times_keep_their_last_digit() => Assert.That(Bound(new DateTime(638_000_000_000_000_001, DateTimeKind.Utc), DbType.DateTime).Scale, Is.Zero.Or.EqualTo(7));

    [Test]
    public void Two_thousand_sequences_or_ids_are_one_text_and_no_limit_of_parameters_is_near()
    {
        var sequences = Bound(SqlDialect.SqlServer.SequencesParameter([.. Enumerable.Range(0, 2_000).Select(i => long.MaxValue - i)]), null);
        var ids = Bound(SqlDialect.SqlServer.MessageIdsParameter([.. Enumerable.Range(0, 2_000).Select(_ => Guid.CreateVersion7())]), null);

        Assert.That((sequences.SqlDbType, sequences.Size), Is.EqualTo((SqlDbType.NVarChar, -1)));
        Assert.That((ids.SqlDbType, ids.Size), Is.EqualTo((SqlDbType.NVarChar, -1)));
        Assert.That(Newtonsoft.Json.Linq.JArray.Parse((string)sequences.Value), Has.Count.EqualTo(2_000));
        Assert.That(Newtonsoft.Json.Linq.JArray.Parse((string)ids.Value).Select(id => Guid.Parse((string)id!)).Distinct().Count(), Is.EqualTo(2_000));
    }

    [Test]
    public void Ranges_are_one_text_too()
    {
        using var connection = new SqlConnection();
        using var command = connection.CreateCommand();

        SqlDialect.SqlServer.BindSpans(command, [(1, 2), (5, long.MaxValue)]);

        Assert.That((command.Parameters[0].ParameterName, command.Parameters[0].Value), Is.EqualTo(("spans", "[[1,2],[5,9223372036854775807]]")));
    }

    private static SqlParameter Bound(object? value, DbType? type)
    {
        using var connection = new SqlConnection();
        return (SqlParameter)connection.Command("SELECT @value").With("value", value, type).Parameters[0];
    }
}

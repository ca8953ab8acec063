using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>The scripts that people are given: changed only on purpose.</summary>
internal sealed class SchemaScriptTests
{
    [Test]
    public void The_statements_that_create_the_tables_are_approved([ValueSource(typeof(SqlDialect), nameof(SqlDialect.All))] SqlDialect dialect) =>
        Approved.Verify($"{dialect}.sql", dialect.CreateTables);

    [Test]
    public void Every_script_describes_the_same_tables_and_columns([ValueSource(typeof(SqlDialect), nameof(SqlDialect.All))] SqlDialect dialect)
    {
        static IEnumerable<string> Names(SqlDialect d) => SchemaShape.Of(d).Columns.Select(c => $"{c.Table}.{c.Name}{(c.IsRequired ? "" : "?")}");

        Assert.That(Names(dialect), Is.EqualTo(Names(SqlDialect.PostgreSql)));
    }
}

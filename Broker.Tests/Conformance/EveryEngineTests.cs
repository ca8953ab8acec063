using System.Reflection;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>A new engine has to pass what the others pass.</summary>
internal sealed class EveryEngineTests
{
    private static readonly Type[] Suites = [typeof(OutboxStoreSuite), typeof(LeaseSuite), typeof(InboxSuite), typeof(RetentionSuite), typeof(ReceiptSuite), typeof(SchemaSuite), typeof(RepartitionSuite), typeof(SurveySuite), typeof(InspectionSuite), typeof(SagaSuite), typeof(LockSuite)];

    [Test]
    public void Every_engine_has_every_suite([ValueSource(typeof(SqlDialect), nameof(SqlDialect.All))] SqlDialect dialect)
    {
        foreach (var suite in Suites)
        {
            Assert.That(
                Assembly.GetExecutingAssembly().GetTypes().Where(t => t.BaseType == suite && !t.IsAbstract).Select(t => t.Name),
                Has.Some.StartsWith(dialect.Name),
                $"{dialect} lacks {suite.Name}. Add the class {dialect.Name}{suite.Name.Replace("Suite", "Tests", StringComparison.Ordinal)} to Conformance/.");
        }
    }
}

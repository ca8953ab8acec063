using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlInspectionTests() : InspectionSuite(SqlDialect.PostgreSql);

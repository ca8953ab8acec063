using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteInspectionTests() : InspectionSuite(SqlDialect.Sqlite);

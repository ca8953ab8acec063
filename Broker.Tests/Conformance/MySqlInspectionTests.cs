using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlInspectionTests() : InspectionSuite(SqlDialect.MySql);

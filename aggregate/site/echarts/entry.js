// The parts of Apache ECharts the page draws with; everything else is left out of the bundle.
import { use } from "echarts/core";
import { LineChart, ScatterChart } from "echarts/charts";
import {
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  TooltipComponent,
} from "echarts/components";
import { LabelLayout } from "echarts/features";
import { CanvasRenderer } from "echarts/renderers";

use([
  LineChart,
  ScatterChart,
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  TooltipComponent,
  LabelLayout,
  CanvasRenderer,
]);

export { init } from "echarts/core";

"""Pictures that are handled: the view of attention, two linked views, sliders around a figure."""
